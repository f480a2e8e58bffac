"""The report's pictures: Vega-Lite by altair, drawn to SVG by vl-convert, once for a screen and once for a phone."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple, TypeAlias, cast

from actors.errors import SetupError
from loadtests.driver.result import Run
from loadtests.report import course

Rows: TypeAlias = list[dict[str, object]]

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
INK, QUIET, LINE = "#1c2530", "#5c6773", "#e4e8ec"
GREY, PALE, BLUE, ORANGE, RED = "#98a2ad", "#cfd6dd", "#1f5fa8", "#c2570c", "#b3261e"
ROLES: tuple[str, ...] = ("#1f5fa8", "#2a8c82", "#c2570c", "#7a5ba8", "#98a2ad", "#b59410")
PHONE_PX = 640
MINUTES_FROM_S = 180


class Size(NamedTuple):
    """How large a picture is drawn."""

    width: int
    height: int
    font: int
    ticks: int
    columns: int
    """Names side by side above it."""


SCREEN, PHONE = Size(540, 240, 11, 8, 6), Size(350, 230, 11, 5, 3)


class Scale(NamedTuple):
    """Where a picture's time runs to, and how the axis counts it."""

    name: str
    seconds: float
    until: float
    marks: tuple[tuple[float, str], ...]
    """When faults came, by their number."""


class Picture(NamedTuple):
    """What is drawn of a run: lines or areas of one measure over its time. Names in `filled` are areas."""

    title: str
    caption: str
    measure: str
    rows: Rows
    colours: dict[str, str]
    filled: tuple[str, ...] = ()
    logarithmic: bool = False


def pictures(run: Run) -> list[Picture]:
    """Everything there is to see of the run, in the order of the page."""
    points = course.points(run)
    return [
        _rates(run, points),
        Picture(
            "Time to the answer",
            "From the moment a call was meant to start, so that waiting counts. The scale is logarithmic.",
            "ms",
            _rows(points, {"p50": "p50_ms", "p99": "p99_ms"}),
            {"p50": BLUE, "p99": ORANGE},
            logarithmic=True,
        ),
        Picture(
            "Lag",
            "Frames of the log that no host had applied yet, over all partitions, and calls without an answer yet.",
            "count",
            _rows(points, {"behind": "behind", "in flight": "in_flight"}),
            {"behind": ORANGE, "in flight": GREY},
        ),
        _cores(run),
        Picture(
            "The generator itself",
            "How late it started calls, at worst. Too much of this makes a run invalid.",
            "ms late",
            _rows(points, {"late": "late_ms"}),
            {"late": GREY},
        ),
        *_machine(run),
    ]


def _machine(run: Run) -> list[Picture]:
    """The machine's own doing; nothing of a run that knows nothing of it."""
    found = course.slow(run)
    caption = "A fixed piece of work's time of a processor, against its quickest second: no doing of the platform's."
    rows: Rows = [{"at": one.at_s, "value": one.times, "what": "times as long"} for one in found]
    return [Picture("The machine itself", caption, "times", rows, {"times as long": GREY})] if found else []


def _rates(run: Run, points: Sequence[course.Point]) -> Picture:
    step = course.step_s(run)
    each = "Each point is one second." if step == 1 else f"Each point stands for {step} seconds."
    lines, colours = {"offered": "offered_per_s", "served": "served_per_s"}, {"offered": PALE, "served": BLUE}
    if any(second.errors for second in run.seconds):
        lines, colours = lines | {"failed": "failed_per_s"}, colours | {"failed": RED}
    caption = f"Calls a second. What is offered does not wait for answers. {each}"
    return Picture("Offered and served", caption, "calls/s", _rows(points, lines), colours, filled=("offered",))


def _cores(run: Run) -> Picture:
    found = course.used(run)
    roles = list(dict.fromkeys(one.role for one in found))
    rows: Rows = [
        {"at": one.at_s, "value": one.cores, "what": one.role, "rank": roles.index(one.role)} for one in found
    ]
    colours = dict(zip(roles, ROLES, strict=False))
    caption = "Cores used, by process: platform and load share the machine."
    return Picture("Processor", caption, "cores", rows, colours, filled=tuple(roles))


def _rows(points: Sequence[course.Point], lines: dict[str, str]) -> Rows:
    return [
        {"at": point.at_s, "value": getattr(point, field), "what": name}
        for name, field in lines.items()
        for point in points
    ]


def scale_of(run: Run) -> Scale:
    """The time axis that all pictures of a run share."""
    until = float(max((second.at_s for second in run.seconds), default=0) + course.step_s(run))
    name, seconds = ("seconds", 1.0) if until <= MINUTES_FROM_S else ("minutes", 60.0)
    marks = tuple((effect.fault.at_s / seconds, str(effect.number)) for effect in course.effects(run))
    return Scale(name, seconds, until / seconds, marks)


def draw(picture: Picture, scale: Scale) -> str:
    """The picture as HTML that holds all of itself: one drawing for a screen, another for a phone."""
    sources = [f"data:image/svg+xml;base64,{b64encode(svg(picture, scale, size).encode()).decode()}" for size in _SIZES]
    image = f'<img src="{sources[0]}" width="{SCREEN.width}" height="{SCREEN.height}" alt="{escape(picture.title)}">'
    return f'<picture><source media="(max-width: {PHONE_PX}px)" srcset="{sources[1]}">{image}</picture>'


_SIZES = (SCREEN, PHONE)


def svg(picture: Picture, scale: Scale, size: Size) -> str:
    """One drawing. Raises SetupError where the libraries of load tests are missing."""
    try:
        import altair as alt
        import vl_convert
    except ImportError as error:
        raise SetupError("a report's pictures need the libraries of load tests: bash infra/setup.sh --load") from error
    # Altair's own types leave parts of its calls unknown, so they are left out here altogether.
    return vl_convert.vegalite_to_svg(_chart(cast("Any", alt), picture, scale, size).to_dict())


def _chart(alt: Any, picture: Picture, scale: Scale, size: Size) -> Any:
    symbol = "square" if picture.filled else "stroke"
    legend = alt.Legend(
        title=None, orient="top", symbolType=symbol, symbolSize=90, symbolStrokeWidth=3, columns=size.columns
    )
    colour = alt.Color(
        "what:N",
        scale=alt.Scale(domain=list(picture.colours), range=list(picture.colours.values())),
        sort=None,
        legend=legend if len(picture.colours) > 1 else None,
    )
    time = alt.X(
        "at:Q",
        title=scale.name,
        scale=alt.Scale(domain=[0, scale.until], nice=False),
        axis=alt.Axis(tickCount=size.ticks, grid=False),
    )
    layers: list[Any] = []
    for filled in (True, False):
        rows = [row for row in picture.rows if (row["what"] in picture.filled) is filled]
        if rows:
            timed = [{**row, "at": cast("float", row["at"]) / scale.seconds} for row in rows]
            base = alt.Chart(alt.Data(values=timed))
            mark = base.mark_area() if filled else base.mark_line(strokeWidth=1.6)
            order = {"order": alt.Order("rank:Q")} if filled else {}
            layers.append(mark.encode(x=time, y=_value(alt, picture), color=colour, **order))
    whole = alt.layer(*layers, *_marks(alt, scale))
    return _styled(alt, whole.properties(width=size.width, height=size.height), size)


def _value(alt: Any, picture: Picture) -> Any:
    if picture.logarithmic:
        axis = alt.Axis(values=[10**power for power in range(-2, 7)], format=",~f", domain=False, ticks=False)
        return alt.Y("value:Q", title=picture.measure, scale=alt.Scale(type="log"), axis=axis, stack=None)
    axis = alt.Axis(tickCount=5, format=",~f", domain=False, ticks=False)
    stack = "zero" if len(picture.filled) > 1 else None
    return alt.Y("value:Q", title=picture.measure, scale=alt.Scale(zero=True), axis=axis, stack=stack)


def _marks(alt: Any, scale: Scale) -> list[Any]:
    """A line where each fault came, with its number."""
    if not scale.marks:
        return []
    faults = alt.Chart(alt.Data(values=[{"at": at, "number": number} for at, number in scale.marks]))
    rule = faults.mark_rule(color=RED, strokeDash=[2, 3], strokeWidth=1).encode(x="at:Q")
    label = faults.mark_text(color=RED, fontWeight="bold", dx=6, dy=6, align="left", baseline="top")
    return [rule, label.encode(x="at:Q", y=alt.value(0), text="number:N")]


def _styled(alt: Any, layers: Any, size: Size) -> Any:
    axis = {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "labelFontSize": size.font,
        "titleFontSize": size.font,
        "titleFontWeight": "normal",
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelPadding": 6,
        "titlePadding": 9,
    }
    return (
        layers.properties(autosize=alt.AutoSizeParams(type="fit", contains="padding"), padding=2)
        .configure(font=FONT, background="white")
        .configure_view(stroke=None)
        .configure_axis(**axis)
        .configure_legend(labelColor=INK, labelFontSize=size.font, padding=0, offset=6, columnPadding=14)
    )
