"""What stands under keys: sessions, codes, sign-ins and secrets until they have ended, as events say it."""

from collections.abc import Sequence

from msgspec import Struct, msgpack

from actors.domain.identity import credential, link, login
from actors.domain.webhook.endpoint import Changed, Endpoint
from actors.kernel.action import EventRecord
from actors.projections.standing import CLOCKS_MS, Standing, stand

LATER_MS = 10 * CLOCKS_MS


def standing(*said: tuple[str, Struct]) -> Standing:
    found = Standing({}, {}, {}, {}, {})
    events = [
        EventRecord(0, 0, n, 0, 0, n * 1_000, entity, msgpack.encode(one)) for n, (entity, one) in enumerate(said)
    ]
    stand(found, events)
    return found


def under(said: Sequence[tuple[str, Struct]], changed_ms: int = 0, now_ms: int = 500) -> dict[str, int]:
    return dict(standing(*said).under("k1", changed_ms, now_ms))


ANN, SIGNED_IN = "identity.link/bike/ann", "identity.login/ann.x"
OPENED = (ANN, link.SessionOpened(1, "k1", 1_000))


def test_a_session_stands_under_the_key_that_it_names_until_its_end() -> None:
    assert under([OPENED]) == {"sessions": 1}
    assert under([OPENED], now_ms=1_000) == {}
    assert under([OPENED, (ANN, link.SessionTouched(1, 5_000))], now_ms=1_000) == {"sessions": 1}
    ends = (
        link.SessionRevoked(1, "x", 5),
        link.SessionExpired(1, 5),
        link.SessionSuperseded(1, 2),
    )
    for end in ends:
        assert under([OPENED, (ANN, end)]) == {}
    superseded = [OPENED, (ANN, ends[-1]), (ANN, link.SessionOpened(2, "k2", 1_000))]
    assert under(superseded) == {}
    assert standing(*superseded).root_kids(500) == {"k2"}


def test_a_code_and_a_sign_in_stand_under_any_key_that_was_current_after_they_were_made() -> None:
    code, begun = (ANN, link.CodeIssued(1, 100, 1_000)), (SIGNED_IN, login.Begun(100, 1_000))
    assert under([code, begun]) == {"login codes": 1, "sign-ins": 1}
    assert under([code, begun], now_ms=1_000) == {}
    assert under([code, begun], changed_ms=100 - CLOCKS_MS) == {}
    refreshed = (SIGNED_IN, login.Refreshed(2, LATER_MS, 2 * LATER_MS))
    assert under([code, (ANN, link.CodeRedeemed(1, 5)), begun, refreshed]) == {}
    assert under([begun, (SIGNED_IN, login.Ended("SIGNED_OUT", 5))]) == {}
    assert standing((ANN, link.LinkErased(5)), (SIGNED_IN, login.Ended("SIGNED_OUT", 5))) == standing()


def test_a_secret_stands_until_it_was_renewed_and_the_former_is_good_no_more() -> None:
    at = "identity.credential/server/bike"
    first = (at, credential.SecretRenewed(1, 0, "op", 100))
    second = (at, credential.SecretRenewed(2, LATER_MS + 900, "op", LATER_MS))
    assert under([first]) == {"credentials' secrets": 1}
    assert under([first, second], now_ms=LATER_MS) == {"credentials' secrets": 1}
    assert under([first, second], now_ms=LATER_MS + 900) == {}
    assert under([first, (at, credential.Disabled("op", 5))]) == {}
    token = (at, credential.TokenIssued(1, "s1", 5, 1_000, 5, is_forced=False))
    assert [standing(first, token).signing_kids(now_ms) for now_ms in (999, 1_000)] == [{"s1"}, set()]


def test_an_endpoints_secret_stands_until_it_was_rotated_or_the_endpoint_removed() -> None:
    at = "webhook.endpoint/bike/main"

    def changed(state: str, version: int = 1, both_until_ms: int = 0) -> tuple[str, Struct]:
        return at, Changed(Endpoint(state, "https://a.com/", ("owed",), version, both_until_ms, 0))

    assert under([changed("active"), changed("paused")]) == {"webhooks' secrets": 1}
    assert under([changed("active"), changed("removed")]) == {}
    many = [changed("active")] * (CLOCKS_MS // 1_000) + [changed("active", 2, 9_000)]
    assert under(many, now_ms=8_999) == {"webhooks' secrets": 1}
    assert under(many, now_ms=9_000) == {}
