"""A virtual identity card: who asks learns yes or no, and nothing of the person is kept that could be read.

The card holds salted digests that its issuer made; salts and claims never come here. A presentation is for one
verifier, for one question, and for a minute. What is wrong with a card is a plain no; what is wrong with a question is
named.
"""

from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Push, Reject, Send, Stage, accept, after

CLAIMS_MAX = 100
PRESENTED_MS_MAX = 60_000
ANSWERS_MAX = 200  # the latest that a verifier can look up

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
Nonce: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Digest: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Outcome: TypeAlias = Literal["yes", "no", "unknown", "used", "expired"]

# -- a card -----------------------------------------------------------------------------------------------------------

LIFE = {
    "none": Stage({"issue": "valid"}),
    "valid": Stage({"issue": "valid", "revoke": "revoked"}),
    "revoked": Stage({"issue": "valid", "revoke": "revoked"}),
}


class Issue(Struct, frozen=True, tag="civic.card.issue"):
    """A new card instead of any other: SHA-256 of a salt of at least 16 random bytes and the claim, for each claim."""

    digests: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=CLAIMS_MAX)]
    until_ms: Annotated[int, Meta(ge=0)]


class Revoke(Struct, frozen=True, tag="civic.card.revoke"):
    pass


class Present(Struct, frozen=True, tag="civic.present"):
    """I show my card to this verifier: it may ask one question, by a nonce that my phone has drawn."""

    verifier: Id
    nonce: Nonce


class Prove(Struct, frozen=True, tag="civic.card.prove"):
    """A presentation's: is this one of yours?"""

    digest: str


class Issued(Struct, frozen=True, tag="civic.card.issued"):
    digests: tuple[str, ...]
    until_ms: int


class Revoked(Struct, frozen=True, tag="civic.card.revoked"):
    at_ms: int


class Card(Struct, frozen=True):
    """`state` is one of LIFE."""

    state: str = "none"
    digests: tuple[str, ...] = ()
    until_ms: int = 0


CardCommand: TypeAlias = Issue | Revoke | Present | Prove
CardEvent: TypeAlias = Issued | Revoked


def decide_card(card: Card, command: CardCommand, ctx: Context) -> Decision[CardEvent]:
    valid = card.state == "valid" and ctx.now_ms < card.until_ms
    match command:
        case Issue(digests, until_ms):
            if until_ms <= ctx.now_ms:
                raise Reject("until_is_past")
            return accept(Issued(digests, until_ms), reply={"state": after(LIFE, card.state, "issue")})
        case Revoke():
            reply = {"state": after(LIFE, card.state, "revoke")}
            return accept(reply=reply) if card.state == "revoked" else accept(Revoked(ctx.now_ms), reply=reply)
        case Present(verifier, nonce):
            if not valid:
                raise Reject("no_valid_card", state="expired" if card.state == "valid" else card.state)
            until_ms = ctx.now_ms + PRESENTED_MS_MAX
            show = Send(PRESENTATION.at(nonce), Show(ctx.entity_id, verifier, until_ms))
            return accept(reply={"until_ms": until_ms}, actions=(show,))
        case Prove(digest):
            nonce = _sender("civic.presentation", ctx)
            return accept(actions=(Send(PRESENTATION.at(nonce), Proved(valid and digest in card.digests)),))
        case _:
            assert_never(command)


def evolve_card(card: Card, event: CardEvent) -> Card:
    match event:
        case Issued(digests, until_ms):
            return replace(card, state="valid", digests=digests, until_ms=until_ms)
        case Revoked():
            return replace(card, state="revoked", digests=())
        case _:
            assert_never(event)


def card_view(card: Card, _: object) -> object:
    return {"state": card.state, "until_ms": card.until_ms, "claims": len(card.digests)}


def _sender(kind: str, ctx: Context) -> str:
    """The id of the entity that sent this. Rejects what no entity of this kind has sent: clients do not say this."""
    found, _, entity_id = ctx.sender.partition("/")
    if found != kind:
        raise Reject("not_for_clients")
    return entity_id


# -- a presentation: its id is the nonce ------------------------------------------------------------------------------


class Show(Struct, frozen=True, tag="civic.presentation.show"):
    card: str
    verifier: str
    until_ms: int


class Check(Struct, frozen=True, tag="civic.presentation.check"):
    """A verifier's question."""

    digest: str


class Proved(Struct, frozen=True, tag="civic.presentation.proved"):
    """The card's answer."""

    yes: bool


class Shown(Struct, frozen=True, tag="civic.presentation.shown"):
    card: str
    verifier: str
    until_ms: int


class Used(Struct, frozen=True, tag="civic.presentation.used"):
    pass


class Presentation(Struct, frozen=True):
    """Whose card, for whom, and until when; once it is `used`, nobody gets a second answer."""

    card: str = ""
    verifier: str = ""
    until_ms: int = 0
    used: bool = False


PresentationCommand: TypeAlias = Show | Check | Proved
PresentationEvent: TypeAlias = Shown | Used


def decide_presentation(shown: Presentation, command: PresentationCommand, ctx: Context) -> Decision[PresentationEvent]:
    match command:
        case Show(card, verifier, until_ms):
            if _sender("civic.card", ctx) != card:
                raise Reject("not_for_clients")
            return accept() if shown.card else accept(Shown(card, verifier, until_ms))
        case Check(digest):
            verifier = _sender("civic.verifier", ctx)
            outcome = _refusal(shown, verifier, ctx.now_ms)
            if outcome is not None:
                return accept(actions=(Send(VERIFIER.at(verifier), Answer(ctx.entity_id, outcome)),))
            return accept(Used(), actions=(Send(CARD.at(shown.card), Prove(digest)),))
        case Proved(yes):
            if _sender("civic.card", ctx) != shown.card:
                raise Reject("not_for_clients")
            return accept(actions=(Send(VERIFIER.at(shown.verifier), Answer(ctx.entity_id, "yes" if yes else "no")),))
        case _:
            assert_never(command)


def _refusal(shown: Presentation, verifier: str, now_ms: int) -> Outcome | None:
    """What is wrong with the question; to any other verifier a presentation is unknown."""
    if shown.verifier != verifier:
        return "unknown"
    if shown.used:
        return "used"
    return "expired" if now_ms >= shown.until_ms else None


def evolve_presentation(shown: Presentation, event: PresentationEvent) -> Presentation:
    match event:
        case Shown(card, verifier, until_ms):
            return Presentation(card, verifier, until_ms)
        case Used():
            return replace(shown, used=True)
        case _:
            assert_never(event)


# -- a verifier -------------------------------------------------------------------------------------------------------


class Ask(Struct, frozen=True, tag="civic.ask"):
    """Is this claim on the card that was shown to me with this nonce? `digest` is of the claim and the salt shown."""

    nonce: Nonce
    digest: Digest


class Answer(Struct, frozen=True, tag="civic.verifier.answer"):
    nonce: str
    outcome: Outcome


class Answered(Struct, frozen=True, tag="civic.verifier.answered"):
    nonce: str
    outcome: Outcome


class Verifier(Struct, frozen=True):
    answered: int = 0
    answers: dict[str, Outcome] = {}


VerifierCommand: TypeAlias = Ask | Answer


def decide_verifier(verifier: Verifier, command: VerifierCommand, ctx: Context) -> Decision[Answered]:
    match command:
        case Ask(nonce, digest):
            return accept(reply={"state": "asking"}, actions=(Send(PRESENTATION.at(nonce), Check(digest)),))
        case Answer(nonce, outcome):
            if _sender("civic.presentation", ctx) != nonce:
                raise Reject("not_for_clients")
            told = Push(verifier.answered + 1, {"nonce": nonce, "outcome": outcome})
            return accept(Answered(nonce, outcome), actions=(told,))
        case _:
            assert_never(command)


def evolve_verifier(verifier: Verifier, event: Answered) -> Verifier:
    """A yes or no stands, whatever is asked again with its nonce; the oldest nonces go."""
    if verifier.answers.get(event.nonce) in ("yes", "no"):
        return replace(verifier, answered=verifier.answered + 1)
    kept = dict(list(verifier.answers.items())[1 - ANSWERS_MAX :])
    return Verifier(verifier.answered + 1, {**kept, event.nonce: event.outcome})


def answer_view(verifier: Verifier, args: dict[str, object]) -> object:
    """What became of the question with this `nonce`; "" while that is not known, or not any more."""
    return {"outcome": verifier.answers.get(str(args.get("nonce", "")), "")}


CARD = Entity(
    "civic.card",
    Card(),
    CardCommand,
    CardEvent,
    decide_card,
    evolve_card,
    views={"card": card_view},
    routing=lambda card: f"{card} card",  # no two of the three are ever under one key, whatever their ids
    life={"card": LIFE},
)
PRESENTATION = Entity(
    "civic.presentation",
    Presentation(),
    PresentationCommand,
    PresentationEvent,
    decide_presentation,
    evolve_presentation,
    routing=lambda nonce: f"{nonce} presentation",
)
VERIFIER = Entity(
    "civic.verifier",
    Verifier(),
    VerifierCommand,
    Answered,
    decide_verifier,
    evolve_verifier,
    views={"answer": answer_view},
    routing=lambda verifier: f"{verifier} verifier",
)
ENTITIES = (CARD, PRESENTATION, VERIFIER)
