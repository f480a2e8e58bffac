"""What programs' servers do: they are told by webhooks and fail to listen, and get tokens for their secrets."""

from collections.abc import Sequence
from random import Random

import msgspec

from actors.domain.counting import DAY_MS
from actors.domain.identity import credential as credentials
from actors.domain.identity.credential import CREDENTIAL
from actors.domain.webhook import delivery as deliveries
from actors.domain.webhook import endpoint as endpoints
from actors.domain.webhook.delivery import DELIVERY
from actors.domain.webhook.endpoint import ENDPOINT
from actors.domain.webhook.roster import ROSTER, Entered
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import nothing_before

encode = msgspec.msgpack.Encoder().encode

# -- webhooks -----------------------------------------------------------------------------------------------------

ENDPOINTS = tuple(f"e{n}" for n in range(5))
ENDPOINTS_MAX = 2
DELIVERIES = tuple(f"bike/d{n}" for n in range(6))
WAITS_MS = (150, 300)
LOST_MS = 400
SAID = (200, 204, 302, 500, 503, 0)
"""What servers answer; 0 when none does. What nobody tells is lost."""
CHANGES = (
    *(endpoints.Set("https://a.com/", ("owed",), ENDPOINTS_MAX),) * 4,
    *(endpoints.Remove(), endpoints.Rotate(100), endpoints.Pause(), endpoints.Resume()),
)


def tell_servers(chance: Random) -> Asking:
    """Set an endpoint, begin a delivery, say what came of a try, try once more."""
    draw, at = chance.random(), f"webhook.delivery/{chance.choice(DELIVERIES)}"
    if draw < 0.25:
        return Asking(f"webhook.endpoint/bike/{chance.choice(ENDPOINTS)}", encode(chance.choice(CHANGES)))
    if draw < 0.5:
        return Asking(at, encode(deliveries.Begin("bike/e0", at.encode(), WAITS_MS, LOST_MS)))
    if draw < 0.85:
        return Asking(at, encode(deliveries.Tried(chance.randint(1, 4), chance.choice(SAID))))
    return Asking(at, encode(deliveries.Replay()))


def each_delivery_is_tried_to_its_end(evening: Evening) -> None:
    """Each try ends once and is followed by the next of the schedule, until it is taken or dead, or asked for again."""
    for name, events in evening.events(DELIVERY).items():
        require(isinstance(events[0], deliveries.Begun), f"{name} began with {events[0]}")
        replays = _tries(name, events[1:])
        asked = sum(at == name and isinstance(one, deliveries.Replay) for at, one in evening.accepted(DELIVERY))
        require(replays == asked, f"{name} was tried anew {replays} times, and that was asked for {asked} times")
    waiting = {name: one.state for name, one in evening.states(DELIVERY).items() if one.state not in _ENDS}
    require(not waiting, f"deliveries wait for ever: {waiting}")
    _rosters(evening)


_ENDS = ("none", "delivered", "dead")


def _tries(name: str, events: Sequence[deliveries.Event]) -> int:
    """How often a delivery began anew."""
    attempt, left, state, replays = 0, len(WAITS_MS) + 1, "waiting", 0
    for event in events:
        match event:
            case deliveries.Trying(number, more, _, body):
                require(state in ("waiting", "dead") and number == attempt + 1, f"{name}, {state}: {event}")
                replays += state == "dead"
                require(more == (len(WAITS_MS) if state == "dead" else left - 1), f"{name}, {left} left: {event}")
                require(body == f"webhook.delivery/{name}".encode(), f"{name} says {body!r}")
                attempt, left, state = number, more, "trying"
            case deliveries.TryFailed(number, status, dead=dead):
                require(
                    state == "trying" and number == attempt and not 200 <= status < 300, f"{name}, {state}: {event}"
                )
                require(dead == (left == 0), f"{name}, {left} left: {event}")
                state = "dead" if dead else "waiting"
            case deliveries.Delivered(number, status):
                require(state == "trying" and number == attempt and 200 <= status < 300, f"{name}, {state}: {event}")
                state = "delivered"
            case deliveries.Begun():
                require(False, f"{name} began twice")
    return replays


def _rosters(evening: Evening) -> None:
    """A program has no more endpoints than it may, and its roster has those that are not removed."""
    there: set[str] = set()
    for event in evening.events(ROSTER).get("bike", []):
        require((event.endpoint in there) != isinstance(event, Entered), f"beside {there}: {event}")
        there ^= {event.endpoint}
        require(len(there) <= ENDPOINTS_MAX, f"there are {there}, of {ENDPOINTS_MAX} at most")
    kept = {name for name, one in evening.states(ENDPOINT).items() if one.state not in ("none", "removed")}
    require(kept == {f"bike/{name}" for name in there}, f"{kept} are kept, the roster has {there}")


WEBHOOKS = Area(
    (ENDPOINT, ROSTER, DELIVERY),
    nothing_before,
    tell_servers,
    each_delivery_is_tried_to_its_end,
    (f"webhook.delivery/{DELIVERIES[0]}", "delivery"),
)

# -- credentials --------------------------------------------------------------------------------------------------

SERVERS = ("server/bike", "merchant/m1")
OVERLAP_MS, FORCED_MAX, GAP_MS = 500, 3, 250


def give_secrets(_: Random) -> list[Asking]:
    """Everybody has one."""
    return [Asking(f"identity.credential/{name}", encode(credentials.Renew(0))) for name in SERVERS]


def get_tokens(chance: Random) -> Asking:
    """Ask for the token that stands, or for another; renew the secret; disable the credential."""
    at, draw = f"identity.credential/{chance.choice(SERVERS)}", chance.random()
    if draw < 0.08:
        return Asking(at, encode(credentials.Renew(chance.choice((0, 800)))))
    if draw < 0.12:
        return Asking(at, encode(credentials.Disable()))
    asks = credentials.Issue(
        secret=chance.choice((1, 1, 1, 2, 3)),
        kid=chance.choice(("k1", "k2")),
        is_forced=chance.random() < 0.4,
        ttl_ms=2_000,
        overlap_ms=OVERLAP_MS,
        forced_day_max=FORCED_MAX,
        forced_gap_ms=GAP_MS,
    )
    return Asking(at, encode(asks))


def one_token_stands(evening: Evening) -> None:
    """Whoever asks gets the token that stands until it is about to expire, by force so often as is allowed."""
    told = evening.replies(CREDENTIAL)
    for name, events in evening.events(CREDENTIAL).items():
        tokens = _tokens(name, events)
        for at, command, reply in told:
            if at == name and isinstance(command, credentials.Issue):
                token = msgspec.json.decode(reply, type=credentials.Token)
                issued = tokens[token.version - 1]
                require((token.kid, token.at_ms) == (issued.kid, issued.at_ms), f"{name}: {token} is told of {issued}")


def _tokens(name: str, events: Sequence[credentials.Event]) -> list[credentials.TokenIssued]:
    """The tokens of a credential."""
    tokens: list[credentials.TokenIssued] = []
    forced_ms: list[int] = []
    secrets, is_new, is_open = 0, True, False
    for event in events:
        match event:
            case credentials.SecretRenewed(n):
                require(n == secrets + 1, f"{name}: secret {n} after {secrets}")
                secrets, is_open = n, True
            case credentials.Disabled():
                require(is_open, f"{name} was disabled twice")
                is_new, is_open = True, False
            case credentials.TokenIssued(version, _, at_ms, is_forced=is_forced):
                require(
                    is_open and version == len(tokens) + 1, f"{name}, open: {is_open}, after {len(tokens)}: {event}"
                )
                stands = not is_new and at_ms < tokens[-1].until_ms - OVERLAP_MS
                require(is_forced or not stands, f"{name}: {event} while {tokens[-1:]} stands")
                if is_forced:
                    require(not forced_ms or at_ms >= forced_ms[-1] + GAP_MS, f"{name}: forced at {at_ms}, {forced_ms}")
                    forced_ms = [before for before in forced_ms if before > at_ms - DAY_MS] + [at_ms]
                    require(len(forced_ms) <= FORCED_MAX, f"{name}: forced at {forced_ms}")
                tokens.append(event)
                is_new = False
    return tokens


CREDENTIALS = Area(
    (CREDENTIAL,), give_secrets, get_tokens, one_token_stands, ("identity.credential/server/bike", "credential")
)
