"""A virtual identity card: who asks learns yes or no, and nothing of the person is kept that could be read.

The card holds salted digests that its issuer made; salts and claims never come here. A presentation is for one
verifier, for one question, and for a minute. What is wrong with a card is a plain no; what is wrong with a question is
named. With a valid card a person also takes a number at a desk of the city, one for each desk.
"""

from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Push, Reject, Role, Send, Stage, accept, after

CLAIMS_MAX = 100
PRESENTED_MS_MAX = 60_000
ANSWERS_MAX = 200  # the latest that a verifier can look up
NUMBERS_MAX = 20  # that one person has, at as many desks; the oldest goes

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


class TakeNumber(Struct, frozen=True, tag="civic.take-number"):
    """A number at this desk, please, such as `tianhe/2026-11-23`."""

    desk: Id


class Given(Struct, frozen=True, tag="civic.card.given"):
    """The desk's: this is your number."""

    number: int


class NoneLeft(Struct, frozen=True, tag="civic.card.none-left"):
    """The platform's, when the desk rejected: it has no more numbers, or is not open."""

    desk: str


class Issued(Struct, frozen=True, tag="civic.card.issued"):
    digests: tuple[str, ...]
    until_ms: int


class Revoked(Struct, frozen=True, tag="civic.card.revoked"):
    at_ms: int


class NumberAsked(Struct, frozen=True, tag="civic.card.number-asked"):
    desk: str


class NumberTaken(Struct, frozen=True, tag="civic.card.number-taken"):
    desk: str
    number: int


class NumberMissed(Struct, frozen=True, tag="civic.card.number-missed"):
    desk: str


class Card(Struct, frozen=True):
    """`state` is one of LIFE; `numbers` are by desk, 0 while the desk is asked."""

    state: str = "none"
    digests: tuple[str, ...] = ()
    until_ms: int = 0
    numbers: dict[str, int] = {}


CardCommand: TypeAlias = Issue | Revoke | Present | Prove | TakeNumber | Given | NoneLeft
CardEvent: TypeAlias = Issued | Revoked | NumberAsked | NumberTaken | NumberMissed


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
        case Present() | TakeNumber() if not valid:
            raise Reject("no_valid_card", state="expired" if card.state == "valid" else card.state)
        case Present(verifier, nonce):
            until_ms = ctx.now_ms + PRESENTED_MS_MAX
            show = Send(PRESENTATION.at(nonce), Show(ctx.entity_id, verifier, until_ms))
            return accept(reply={"until_ms": until_ms}, actions=(show,))
        case Prove(digest):
            nonce = ctx.only_from("civic.presentation")
            return accept(actions=(Send(PRESENTATION.at(nonce), Proved(valid and digest in card.digests)),))
        case TakeNumber(desk):
            if desk in card.numbers:
                raise Reject("one_number_a_desk", number=str(card.numbers[desk]))
            take = Send(DESK.at(desk), Give(), on_reject=NoneLeft(desk))
            return accept(NumberAsked(desk), reply={"state": "asking"}, actions=(take,))
        case Given(number):
            return accept(NumberTaken(ctx.only_from("civic.desk"), number))
        case NoneLeft(desk):
            ctx.only_from("civic.desk", desk)
            return accept(NumberMissed(desk))
        case _:
            assert_never(command)


def evolve_card(card: Card, event: CardEvent) -> Card:
    match event:
        case Issued(digests, until_ms):
            return replace(card, state="valid", digests=digests, until_ms=until_ms)
        case Revoked():
            return replace(card, state="revoked", digests=())
        case NumberAsked(desk):
            kept = dict(list(card.numbers.items())[1 - NUMBERS_MAX :])
            return replace(card, numbers={**kept, desk: 0})
        case NumberTaken(desk, number):
            return replace(card, numbers={**card.numbers, desk: number})
        case NumberMissed(desk):
            return replace(card, numbers={other: number for other, number in card.numbers.items() if other != desk})
        case _:
            assert_never(event)


def card_view(card: Card, _: object) -> object:
    return {"state": card.state, "until_ms": card.until_ms, "claims": len(card.digests), "numbers": card.numbers}


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


PRESENTATION_LIFE = {
    "none": Stage({"show": "shown"}),
    "shown": Stage({"show": "shown", "use": "used", "expire": "expired"}),
    "used": Stage({"show": "used"}, terminal=True),
    "expired": Stage({"show": "expired"}, terminal=True),
}
"""It expires by the log's time alone, without an event."""


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
            ctx.only_from("civic.card", card)
            return accept() if shown.card else accept(Shown(card, verifier, until_ms))
        case Check(digest):
            verifier = ctx.only_from("civic.verifier")
            outcome = _refusal(shown, verifier, ctx.now_ms)
            if outcome is not None:
                return accept(actions=(Send(VERIFIER.at(verifier), Answer(ctx.entity_id, outcome)),))
            return accept(Used(), actions=(Send(CARD.at(shown.card), Prove(digest)),))
        case Proved(yes):
            ctx.only_from("civic.card", shown.card)
            return accept(actions=(Send(VERIFIER.at(shown.verifier), Answer(ctx.entity_id, "yes" if yes else "no")),))
        case _:
            assert_never(command)


def _refusal(shown: Presentation, verifier: str, now_ms: int) -> Outcome | None:
    """What is wrong with the question; to any other verifier a presentation is unknown."""
    if shown.verifier != verifier:
        return "unknown"
    fate: Literal["used", "expired", "shown"] = (
        "used" if shown.used else "expired" if now_ms >= shown.until_ms else "shown"
    )
    return None if fate == "shown" else fate


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
            ctx.only_from("civic.presentation", nonce)
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


# -- a desk, for one day ----------------------------------------------------------------------------------------------


class OpenDesk(Struct, frozen=True, tag="civic.desk.open"):
    """So many numbers are given; what was given stays."""

    numbers: Annotated[int, Meta(ge=0, le=100_000)]


class CallNext(Struct, frozen=True, tag="civic.desk.call-next"):
    pass


class Give(Struct, frozen=True, tag="civic.desk.give"):
    """A card's: a number, please."""


class DeskOpened(Struct, frozen=True, tag="civic.desk.opened"):
    numbers: int


class NumberGiven(Struct, frozen=True, tag="civic.desk.number-given"):
    number: int


class NumberCalled(Struct, frozen=True, tag="civic.desk.number-called"):
    number: int


class Desk(Struct, frozen=True):
    """Numbers begin with 1: so many are `given`, and so many of those were `called`."""

    numbers: int = 0
    given: int = 0
    called: int = 0


DeskCommand: TypeAlias = OpenDesk | CallNext | Give
DeskEvent: TypeAlias = DeskOpened | NumberGiven | NumberCalled


def decide_desk(desk: Desk, command: DeskCommand, ctx: Context) -> Decision[DeskEvent]:
    match command:
        case OpenDesk(numbers):
            if numbers < desk.given:
                raise Reject("more_were_given", given=str(desk.given))
            return accept(DeskOpened(numbers))
        case CallNext():
            if desk.called == desk.given:
                raise Reject("nobody_waits")
            number = desk.called + 1
            return accept(NumberCalled(number), reply={"number": number}, actions=(Push(number, {"number": number}),))
        case Give():
            card = ctx.only_from("civic.card")
            if desk.given >= desk.numbers:
                raise Reject("none_left", numbers=str(desk.numbers))
            return accept(NumberGiven(desk.given + 1), actions=(Send(CARD.at(card), Given(desk.given + 1)),))
        case _:
            assert_never(command)


def evolve_desk(desk: Desk, event: DeskEvent) -> Desk:
    match event:
        case DeskOpened(numbers):
            return replace(desk, numbers=numbers)
        case NumberGiven(number):
            return replace(desk, given=number)
        case NumberCalled(number):
            return replace(desk, called=number)
        case _:
            assert_never(event)


CARD = Entity(
    "civic.card",
    Card(),
    CardCommand,
    CardEvent,
    decide_card,
    evolve_card,
    views={"card": card_view},
    routing=lambda card: f"{card} card",  # no two of the four are ever under one key, whatever their ids
    life={"card": LIFE},
    access={
        **dict.fromkeys(("civic.card.issue", "civic.card.revoke"), (Role.SERVER,)),
        **dict.fromkeys(("civic.present", "civic.take-number", "card"), (Role.PERSON,)),
    },
    owner={Role.PERSON: lambda openid: openid},
)
PRESENTATION = Entity(
    "civic.presentation",
    Presentation(),
    PresentationCommand,
    PresentationEvent,
    decide_presentation,
    evolve_presentation,
    routing=lambda nonce: f"{nonce} presentation",
    life={"presentation": PRESENTATION_LIFE},
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
    access=dict.fromkeys(("civic.ask", "answer"), (Role.MERCHANT,)),
    owner={Role.MERCHANT: lambda verifier: verifier},
)
DESK = Entity(
    "civic.desk",
    Desk(),
    DeskCommand,
    DeskEvent,
    decide_desk,
    evolve_desk,
    views={"desk": lambda desk, _: desk},
    routing=lambda desk: f"{desk} desk",
    access={
        **dict.fromkeys(("civic.desk.open", "civic.desk.call-next"), (Role.SERVER,)),
        "desk": (Role.PERSON, Role.SERVER),
    },
)
ENTITIES = (CARD, PRESENTATION, VERIFIER, DESK)
