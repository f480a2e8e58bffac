"""Tokens: what is good, what is not and by which reason, and what is remembered of them."""

import base64
import json

import pytest

from actors.adapters.memory_keys import MemoryKeys, MemorySubjects
from actors.errors import InvalidCommand, Unauthenticated
from actors.ports import SigningKey
from actors.principal import Principal, Role, parse
from gateway.tokens import AHEAD_S_MAX, FRESH_MS, LIFE_S, ROTATED_APART_MS, SAYS, Verifier, Why, sign
from tests.gateway import tokens
from tests.gateway.tokens import KEYS, NOW_MS, NOW_S, bad_tokens, good

ANN = Principal(Role.PERSON, "bike", "ann")
BAD = bad_tokens()


def reason(verifier: Verifier, token: str, now_ms: int = NOW_MS) -> str:
    with pytest.raises(Unauthenticated) as refused:
        verifier.verify(token, now_ms)
    return refused.value.reason


def test_there_are_bad_tokens_of_every_reason() -> None:
    assert len(BAD) >= 80
    assert {why for _, why in BAD.values()} == set(Why) - {Why.ERASED, Why.USED} == set(SAYS) - {Why.ERASED, Why.USED}
    assert Verifier(KEYS).verify(good(), NOW_MS).principal == ANN, "what they are made from is good"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_by_its_reason(name: str) -> None:
    token, why = BAD[name]
    verifier = Verifier(KEYS)
    assert reason(verifier, token) == why.value
    assert reason(verifier, token) == why.value, "and again: nothing of it was remembered as good"
    assert verifier.verify(good(), NOW_MS).principal == ANN


@pytest.mark.parametrize("name", BAD)
def test_a_refusal_says_nothing_of_the_token(name: str) -> None:
    token, why = BAD[name]
    with pytest.raises(Unauthenticated) as refused:
        Verifier(KEYS).verify(token, NOW_MS)
    assert str(refused.value) == SAYS[why]


@pytest.mark.parametrize("role", Role)
def test_every_roles_token_proves_its_principal_for_its_roles_life(role: Role) -> None:
    callers = (
        "person/bike/ann",
        "account/p1",
        "server/bike",
        "member/a1/m1",
        "merchant/m1",
        "operator/o",
        "platform/f",
        "credential/server/bike",
    )
    (principal,) = [found for found in map(parse, callers) if found is not None and found.role is role]
    token = sign(KEYS, principal, NOW_MS, priority=100)
    verifier = Verifier(KEYS)
    proven = verifier.verify(token, NOW_MS)
    assert (proven.principal, proven.priority) == (principal, 100)
    assert proven.until_ms == NOW_MS + LIFE_S[role] * 1_000
    verifier.verify(token, proven.until_ms - 1)
    assert reason(verifier, token, proven.until_ms) == "TOKEN_EXPIRED"


def test_a_token_is_never_good_for_longer_than_its_roles_life_but_may_be_shorter() -> None:
    longer, shorter = (sign(KEYS, ANN, NOW_MS, life_s) for life_s in (10**6, 5))
    assert Verifier(KEYS).verify(longer, NOW_MS).until_ms == NOW_MS + LIFE_S[Role.PERSON] * 1_000
    assert Verifier(KEYS).verify(shorter, NOW_MS).until_ms == NOW_MS + 5_000


def test_a_token_over_the_same_claims_is_the_same_to_the_byte() -> None:
    assert sign(KEYS, ANN, NOW_MS) == sign(KEYS, ANN, NOW_MS + 999)


def test_the_signers_clock_may_be_a_minute_ahead() -> None:
    ahead = good(nbf=NOW_S + AHEAD_S_MAX)
    assert Verifier(KEYS).verify(ahead, NOW_MS).principal == ANN


def test_the_next_key_is_believed_before_it_signs_and_the_former_after() -> None:
    keys = MemoryKeys()
    verifier = Verifier(keys)
    before = sign(keys, ANN, NOW_MS)
    assert verifier.verify(before, NOW_MS).principal == ANN
    keys.rotate(NOW_MS, 0)
    after = sign(keys, ANN, NOW_MS)
    assert after != before
    assert verifier.verify(after, NOW_MS).principal == ANN, "at once, though the keys were read before the rotation"
    assert verifier.verify(before, NOW_MS + FRESH_MS).principal == ANN


def test_a_second_rotation_before_every_gateway_knows_the_next_key_is_refused_and_breaks_no_token() -> None:
    keys = MemoryKeys()
    verifier = Verifier(keys)
    verifier.verify(sign(keys, ANN, NOW_MS), NOW_MS)
    keys.rotate(NOW_MS + 1, ROTATED_APART_MS)
    with pytest.raises(InvalidCommand, match="not every gateway"):
        keys.rotate(NOW_MS + FRESH_MS - 1, ROTATED_APART_MS)
    assert verifier.verify(sign(keys, ANN, NOW_MS), NOW_MS + FRESH_MS - 1).principal == ANN
    keys.rotate(NOW_MS + 1 + ROTATED_APART_MS, ROTATED_APART_MS)
    assert verifier.verify(sign(keys, ANN, NOW_MS), NOW_MS + 1 + ROTATED_APART_MS).principal == ANN


def test_what_a_retired_key_signed_is_refused_within_a_second_though_it_was_remembered() -> None:
    keys = MemoryKeys()
    verifier = Verifier(keys)
    token, kid = sign(keys, ANN, NOW_MS), keys.signer()[0]
    verifier.verify(token, NOW_MS)
    keys.rotate(NOW_MS, 0)
    keys.retire(kid, NOW_MS, 0)
    assert verifier.verify(token, NOW_MS + FRESH_MS - 1).principal == ANN
    assert reason(verifier, token, NOW_MS + FRESH_MS) == "TOKEN_KEY_UNKNOWN"


class CountingKeys(MemoryKeys):
    """Counts how often it is asked."""

    asked = 0

    def signing_keys(self) -> list[SigningKey]:
        self.asked += 1
        return list(super().signing_keys())


def test_unknown_keys_do_not_make_it_ask_the_keyring_more_than_once_a_second() -> None:
    keys = CountingKeys()
    verifier = Verifier(keys)
    before = keys.asked
    for number in range(100):
        assert reason(verifier, BAD["a key that is not known"][0], NOW_MS + number * 10) == "TOKEN_KEY_UNKNOWN"
    assert keys.asked == before + 1


def kept(verifier: Verifier) -> list[str]:
    """What it remembers, the oldest first."""
    remembered: dict[str, object] = vars(verifier)["_kept"]
    return list(remembered)


def test_what_is_remembered_is_bounded_and_the_expired_go_first() -> None:
    verifier = Verifier(KEYS, kept_max=3)
    brief = sign(KEYS, ANN, NOW_MS, 1)
    verifier.verify(brief, NOW_MS)
    lasting = [sign(KEYS, Principal(Role.PERSON, "bike", f"p{number}"), NOW_MS) for number in range(4)]
    for token in lasting[:2]:
        verifier.verify(token, NOW_MS)
    verifier.verify(lasting[2], NOW_MS + 5_000)
    assert kept(verifier) == lasting[:3]
    verifier.verify(lasting[3], NOW_MS + 5_000)
    assert kept(verifier) == lasting[1:]


def test_what_is_signed_has_the_header_and_the_claims_that_are_read_and_no_others() -> None:
    first, second, _ = sign(KEYS, ANN, NOW_MS).split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (first, second))
    assert header == {"alg": "EdDSA", "kid": KEYS.signer()[0], "typ": "hutong+jwt"}
    assert claims == tokens.claims(exp=NOW_S + LIFE_S[Role.PERSON])


@pytest.mark.parametrize(
    "caller", ["ann", "", "person", "person/bike", "person/bike/ann/x", "Person/bike/ann", "~gw/x"]
)
def test_what_a_caller_of_the_open_mode_says_of_itself_is_no_principal(caller: str) -> None:
    assert parse(caller) is None


@pytest.mark.parametrize(("who", "subject"), [("person/bike/ann", "bike/ann"), ("account/ann", "ann")])
def test_the_tokens_of_a_person_are_no_good_a_second_after_they_were_erased(who: str, subject: str) -> None:
    subjects, principal, other = MemorySubjects(), parse(who), parse(f"{who}e")
    assert principal is not None
    assert other is not None
    verifier = Verifier(KEYS, subjects=subjects)
    token, kept = sign(KEYS, principal, NOW_MS), sign(KEYS, other, NOW_MS)
    assert verifier.verify(token, NOW_MS).principal == principal
    subjects.destroy([subject], NOW_MS)
    assert reason(verifier, token, NOW_MS + 1_000) == Why.ERASED
    assert verifier.verify(kept, NOW_MS + 1_000).principal == other
    assert reason(verifier, token, NOW_MS + LIFE_S[principal.role] * 1_000 - 1) == Why.ERASED
