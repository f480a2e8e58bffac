"""Finding programs by name: what a program is found under, and what a query asks for. Pure; an index keeps the tokens.

Chinese has no spaces, so a run of its characters is found under each character and each pair of neighbours. A word of
any other script is found under everything it begins with. Category and city are tokens too.
"""

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from math import asin, cos, pi, radians, sin, sqrt
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from actors.errors import InvalidCommand
from actors.geohash import touching

TOKENS = f"1, Unicode {unicodedata.unidata_version}"
"""Names the rules by which names become tokens: an index that was made by others finds nothing well."""
TEXT_CHARACTERS_MAX = 64
NAME_CHARACTERS_MAX = 128
ALIASES_MAX = 16
WORD_CHARACTERS_MAX = 12
"""Two words that begin with so many equal characters are one word to the index."""
TYPO_CHARACTERS_MIN = 4
ALTERNATIVES_MAX = 16
_CELLS = 1 << 15
_EARTH_METRES = 6_371_009
_PLACE_BITS = 56
_USES_BITS_MAX = 63


class Listed(Struct, frozen=True):
    """A program as it is found: `position` is (latitude, longitude) in degrees, `uses` what it is ranked by.

    `program` is its own name, and `account` its developer's.
    """

    program: str
    name: str
    aliases: tuple[str, ...] = ()
    category: str = ""
    city: str = ""
    position: tuple[float, float] | None = None
    uses: int = 0
    account: str = ""


class Query(Struct, frozen=True):
    """What somebody looks for; what is empty does not matter."""

    text: str = ""
    category: str = ""
    city: str = ""


Wanted: TypeAlias = tuple[tuple[str, ...], ...]
"""A program matches when it is found under every token of one of these."""


class _Run(NamedTuple):
    """A stretch of one script."""

    text: str
    is_han: bool


# --- names and queries as tokens -------------------------------------------------------------------------------------


def tokens_of(listed: Listed) -> tuple[str, ...]:
    """Everything that the program is found under."""
    tokens: dict[str, None] = {}
    for run in _named(listed):
        if run.is_han:
            tokens |= dict.fromkeys((*run.text, *_pairs(run.text)))
        else:
            tokens |= dict.fromkeys(run.text[:size] for size in range(1, len(run.text) + 1))
    return (*tokens, *_filters(listed.category, listed.city))


def words_of(listed: Listed) -> tuple[str, ...]:
    """The words in its names that somebody may mistype and still be understood."""
    words = (run.text for run in _named(listed) if not run.is_han and len(run.text) >= TYPO_CHARACTERS_MIN)
    return tuple(dict.fromkeys(words))


def wanted(query: Query) -> Wanted:
    """What the query asks for as it is written; nothing when there is nothing in it to look for.

    Raises InvalidCommand when its text is too long.
    """
    filters = _filters(query.category, query.city)
    runs = _runs(bounded(query).text)
    if query.text and not runs:
        return ()
    tokens = tuple(dict.fromkeys(token for run in runs for token in _asked(run)))
    return (tokens + filters,) if tokens or filters else ()


def mistyped(query: Query) -> tuple[str, ...]:
    """The words of the query for which similar ones are worth a look."""
    words = (run.text for run in _runs(bounded(query).text) if not run.is_han)
    return tuple(word for word in dict.fromkeys(words) if len(word) >= TYPO_CHARACTERS_MIN)


def relaxed(query: Query, similar: Mapping[str, tuple[str, ...]]) -> Wanted:
    """What may have been meant: one word replaced by a similar one, or one Chinese character left out."""
    filters = _filters(query.category, query.city)
    runs = _runs(bounded(query).text)
    found: dict[tuple[str, ...], None] = {}
    for place, run in enumerate(runs):
        rest = [token for other in (*runs[:place], *runs[place + 1 :]) for token in _asked(other)]
        for instead in _instead(run, similar):
            if instead or rest:
                found[(*dict.fromkeys((*instead, *rest)), *filters)] = None
    return tuple(found)[:ALTERNATIVES_MAX]


def bounded(query: Query) -> Query:
    """The same query. Raises InvalidCommand when it is longer than anybody types."""
    for field in Query.__struct_fields__:
        size = len(getattr(query, field))
        if size > TEXT_CHARACTERS_MAX:
            message = f"{field} has {size:,} characters; a search takes at most {TEXT_CHARACTERS_MAX}"
            raise InvalidCommand(message, field=field, reason="SEARCH_TOO_LONG")
    return query


def _named(listed: Listed) -> Iterator[_Run]:
    for name in (listed.name, *listed.aliases[:ALIASES_MAX]):
        yield from _runs(name[:NAME_CHARACTERS_MAX])


def _asked(run: _Run) -> tuple[str, ...]:
    return (_pairs(run.text) or (run.text,)) if run.is_han else (run.text,)


def _instead(run: _Run, similar: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    if not run.is_han:
        yield from ((word,) for word in similar.get(run.text, ()))
        return
    for left_out in range(len(run.text)):
        before, after = run.text[:left_out], run.text[left_out + 1 :]
        yield tuple(token for part in (before, after) if part for token in _asked(_Run(part, is_han=True)))


def _pairs(text: str) -> tuple[str, ...]:
    return tuple(first + second for first, second in pairwise(text))


def _filters(category: str, city: str) -> tuple[str, ...]:
    """The colon stands in no word, so a category is never taken for a name."""
    marked = (("c:", category), ("g:", city))
    texts = ((mark, "".join(run.text for run in _runs(text))) for mark, text in marked)
    return tuple(mark + text for mark, text in texts if text)


def _runs(text: str) -> tuple[_Run, ...]:
    """The letters and digits of a text, without accents and in one case, in stretches of one script."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    folded = unicodedata.normalize("NFC", "".join(one for one in plain if not unicodedata.combining(one)))
    runs = ((script, "".join(letters)) for script, letters in groupby(folded, _script))
    return tuple(
        _Run(letters if script == "han" else letters[:WORD_CHARACTERS_MAX], script == "han")
        for script, letters in runs
        if script
    )


def _script(letter: str) -> str:
    if not letter.isalnum():
        return ""
    is_han = "\u3040" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff" or letter >= "\U00020000"
    return "han" if is_han else "word"


# --- mistyped words --------------------------------------------------------------------------------------------------


def variants(word: str) -> tuple[str, ...]:
    """The word, and what is left of it without one of its letters: words one slip apart share one of these."""
    return tuple(dict.fromkeys((word, *(word[:place] + word[place + 1 :] for place in range(len(word))))))


def is_one_slip(typed: str, word: str) -> bool:
    """Whether a letter more, a letter less, another letter, or two in the wrong order make one of the other."""
    if abs(len(typed) - len(word)) > 1:
        return False
    start = next((n for n, (one, other) in enumerate(zip(typed, word, strict=False)) if one != other), None)
    if start is None:
        return True
    one, other = typed[start:], word[start:]
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return one[1:] == other[1:] or one[1:] == other or one == other[1:] or swapped


# --- places: by use, and on the earth --------------------------------------------------------------------------------


def place_of(listed: Listed) -> int:
    """Where it stands among all programs: the most used first, those used about as much in an order of chance.

    Depends on nothing else, so an index made anew is the former one. Of 2,000,000 programs two share a place with a
    chance of 1 in 36,000; the later one would hide the other.
    """
    rank = _USES_BITS_MAX - min(max(listed.uses, 0).bit_length(), _USES_BITS_MAX)
    return rank << _PLACE_BITS | mark_of(listed.program)


def about(uses: int) -> int:
    """The least number that ranks the same: it changes seldom, however often something is used."""
    return 1 << (uses.bit_length() - 1) if uses > 0 else 0


def mark_of(program: str) -> int:
    """The part of its place that never changes."""
    return int.from_bytes(hashlib.blake2b(program.encode(), digest_size=_PLACE_BITS // 8).digest())


MARK_MASK = (1 << _PLACE_BITS) - 1


def cell_of(position: tuple[float, float]) -> int:
    """The cell of the earth's grid (that of a geohash of six letters, about 1.2 by 0.6 km) that holds this position."""
    return _cell(*_grid(position))


def cells_around(position: tuple[float, float]) -> tuple[int, ...]:
    """Its cell and those that touch it."""
    column, row = _grid(position)
    around = touching(column, row, _CELLS, _CELLS)
    return (_cell(column, row), *(_cell(*other) for other in around))


def looked_metres(position: tuple[float, float]) -> int:
    """How far around this position everything is looked at, wherever in its cell it lies: a cell's shorter side."""
    row_metres = pi * _EARTH_METRES / _CELLS
    return int(min(row_metres, 2 * row_metres * cos(radians(position[0]))))


def _cell(column: int, row: int) -> int:
    return column * _CELLS + row


def _grid(position: tuple[float, float]) -> tuple[int, int]:
    latitude, longitude = position
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        message = "a position is a latitude from -90 to 90 and a longitude from -180 to 180"
        raise InvalidCommand(message, field="position", reason="NO_SUCH_POSITION")
    last = _CELLS - 1
    return min(int((longitude + 180) / 360 * _CELLS), last), min(int((latitude + 90) / 180 * _CELLS), last)


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How far apart two positions are, on a round earth."""
    (up, left), (above, right) = (tuple(map(radians, position)) for position in (one, other))
    half = sin((above - up) / 2) ** 2 + cos(up) * cos(above) * sin((right - left) / 2) ** 2
    return 2 * _EARTH_METRES * asin(min(1.0, sqrt(half)))
