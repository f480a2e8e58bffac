"""Friends: whom a person has asked, who asks, who they are friends with, and whom they have blocked.

Two persons are friends when both want it. Each side keeps its own wish and the other's last word, and tells the other
every change of its own as a word with a number that only grows. What crosses on the way is decided by the numbers: an
acceptance counts only as long as the request that it answers stands, and who ends a tie also ends the wish that it had
heard of. So both agree once all words have arrived, in whatever order, and a block wins over a crossing acceptance.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.entity import Action, Context, Decision, Entity, Reject, Send, SetTimer, Stage, accept, after

FRIENDS_MAX = 1_000
"""Friends and own requests together, so that no acceptance of others makes more."""
REQUESTS_MAX = 1_000
BLOCKED_MAX = 1_000
ENDED_MAX = 200
"""So many ties end in one record when the person is erased."""
TIES_MAX = 4_000
"""With those that ended: their numbers are kept for words that are still on the way. The oldest are forgotten."""

TIE = {
    "none": Stage(
        {"request": "asked", "refuse": "none", "remove": "none", "block": "blocked", "their_request": "asks"}
    ),
    "asked": Stage(
        {
            "request": "asked",
            "remove": "none",
            "block": "blocked",
            "their_request": "friends",
            "their_accept": "friends",
        }
        | {"their_end": "none"}
    ),
    "asks": Stage(
        {"request": "friends", "accept": "friends", "refuse": "none", "block": "blocked", "their_end": "none"}
    ),
    "friends": Stage(
        {"request": "friends", "accept": "friends", "remove": "none", "block": "blocked", "their_end": "none"}
    ),
    "blocked": Stage({"block": "blocked", "unblock": "none"}),
}

Person: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[!-.0-~]+$")]


class Request(Struct, frozen=True, tag="social.friends.request"):
    """Ask the person; one who asks already is accepted by it."""

    person: Person


class Accept(Struct, frozen=True, tag="social.friends.accept"):
    person: Person


class Refuse(Struct, frozen=True, tag="social.friends.refuse"):
    person: Person


class Remove(Struct, frozen=True, tag="social.friends.remove"):
    """End a friendship, or take an own request back."""

    person: Person


class Block(Struct, frozen=True, tag="social.friends.block"):
    """End what there is, and refuse every request of the person from now on, without telling why."""

    person: Person


class Unblock(Struct, frozen=True, tag="social.friends.unblock"):
    person: Person


class Hear(Struct, frozen=True, tag="social.friends.hear"):
    """The other's word `number`: whether it wants the tie.

    As an acceptance it counts only upon our word `upon` (0: it is none). Our wish up to our word `ends` is at an end.
    """

    wants: bool
    number: int
    upon: int
    ends: int


class Erase(Struct, frozen=True, tag="social.friends.erase"):
    """The person is erased: end every tie, and never tie another. What one record cannot end the next one does.

    `ends_max` is how many this one may: a record that tells others of the erasure, too, has less room.
    """

    ends_max: Annotated[int, Meta(ge=0, le=ENDED_MAX)] = ENDED_MAX


class Wished(Struct, frozen=True, tag="social.friends.wished"):
    """Our own word `number`: we ask, or accept the other's word `upon`."""

    person: str
    number: int
    upon: int


class Ended(Struct, frozen=True, tag="social.friends.ended"):
    """Our own word `number`: the tie is at an end, or a request was refused."""

    person: str
    number: int


class Blocked(Struct, frozen=True, tag="social.friends.blocked"):
    person: str


class Unblocked(Struct, frozen=True, tag="social.friends.unblocked"):
    person: str


class WasErased(Struct, frozen=True, tag="social.friends.was-erased"):
    pass


class Heard(Struct, frozen=True, tag="social.friends.heard"):
    """The other's word; see `Hear`."""

    person: str
    wants: bool
    number: int
    upon: int
    ends: int


class Tie(Struct, frozen=True, array_like=True):
    """What there is to one person: our wish with the number of our last word, and upon which of theirs; theirs."""

    mine: bool = False
    number: int = 0
    upon: int = 0
    theirs: bool = False
    heard: int = 0
    blocked: bool = False

    @property
    def state(self) -> str:
        """The tie's state by name, as the table has it."""
        if self.blocked:
            return "blocked"
        return {(True, True): "friends", (True, False): "asked", (False, True): "asks"}.get(
            (self.mine, self.theirs), "none"
        )


class Friends(Struct, frozen=True, array_like=True):
    """A person's ties. `words` is how many words were ever said, to whomever."""

    words: int = 0
    ties: dict[str, Tie] = {}
    erased: bool = False


FriendsCommand: TypeAlias = Request | Accept | Refuse | Remove | Block | Unblock | Hear | Erase
FriendsEvent: TypeAlias = Wished | Ended | Blocked | Unblocked | Heard | WasErased


def decide(friends: Friends, command: FriendsCommand, ctx: Context) -> Decision[FriendsEvent]:
    if isinstance(command, Hear):
        return _hear(friends, command, ctx)
    if isinstance(command, Erase):
        return _erase(friends, command.ends_max, ctx)
    if friends.erased:
        raise Reject("person_erased")
    person = command.person
    if person == ctx.entity_id:
        raise Reject("oneself")
    tie = friends.ties.get(person, Tie())
    move = type(command).__name__.lower()
    following = after(TIE, tie.state, move)
    if following == tie.state:
        return accept(reply={"state": following})
    match command:
        case Request() | Accept():
            return _wish(friends, person, tie)
        case Refuse() | Remove():
            return _end(friends, person, tie)
        case Block():
            _check_room(friends, "blocked", BLOCKED_MAX)
            return _end(friends, person, tie, Blocked(person))
        case Unblock():
            return accept(Unblocked(person), reply={"state": "none"})
        case _:
            assert_never(command)


def _wish(friends: Friends, person: str, tie: Tie) -> Decision[FriendsEvent]:
    """Ask; or accept, when the other asks already."""
    if sum(each.mine for each in friends.ties.values()) >= FRIENDS_MAX:
        raise Reject("too_many_friends", friends_max=str(FRIENDS_MAX))
    upon = tie.heard if tie.theirs else 0
    wished = Wished(person, friends.words + 1, upon)
    send = Send(FRIENDS.at(person), Hear(True, wished.number, upon, 0))
    return accept(wished, reply={"state": "friends" if upon else "asked"}, actions=(send,))


def _end(friends: Friends, person: str, tie: Tie, *besides: FriendsEvent) -> Decision[FriendsEvent]:
    ended = Ended(person, friends.words + 1)
    send = Send(FRIENDS.at(person), Hear(False, ended.number, 0, tie.heard))
    return accept(ended, *besides, reply={"state": "blocked" if besides else "none"}, actions=(send,))


def _erase(friends: Friends, ends_max: int, ctx: Context) -> Decision[FriendsEvent]:
    ctx.only_from(("identity.person", FRIENDS.kind), ctx.entity_id)
    events: list[FriendsEvent] = [] if friends.erased else [WasErased()]
    actions: list[Action] = []
    tied = [person for person, tie in friends.ties.items() if tie.mine or tie.theirs]
    for person in tied[:ends_max]:
        ended = _end(friends, person, friends.ties[person])
        events += ended.events
        actions += ended.actions
        friends = evolve(friends, ended.events[0])
    if len(tied) > ends_max:
        actions.append(SetTimer("erase", ctx.now_ms, Erase()))
    return accept(*events, actions=tuple(actions))


def _hear(friends: Friends, word: Hear, ctx: Context) -> Decision[FriendsEvent]:
    person = ctx.only_from(FRIENDS.kind)
    heard = Heard(person, word.wants, word.number, word.upon, word.ends)
    after_it = evolve(friends, heard)
    tie = after_it.ties[person]
    if not tie.theirs or tie.mine or not (tie.blocked or friends.erased or _has(friends, "asks", REQUESTS_MAX)):
        return accept(heard)
    refused = _end(after_it, person, tie)  # a request that nobody is to see
    return accept(heard, *refused.events, actions=refused.actions)


def _has(friends: Friends, state: str, count: int) -> bool:
    return sum(tie.state == state for tie in friends.ties.values()) >= count


def _check_room(friends: Friends, state: str, count: int) -> None:
    if _has(friends, state, count):
        raise Reject(f"too_many_{state}", count_max=str(count))


def evolve(friends: Friends, event: FriendsEvent) -> Friends:
    if isinstance(event, WasErased):
        return replace(friends, erased=True)
    tie = friends.ties.get(event.person, Tie())
    match event:
        case Wished(person, number, upon):
            return _with(friends, person, replace(tie, mine=True, number=number, upon=upon), number)
        case Ended(person, number):
            return _with(friends, person, replace(tie, mine=False, number=number, upon=0, theirs=False), number)
        case Blocked(person) | Unblocked(person):
            return _with(friends, person, replace(tie, blocked=isinstance(event, Blocked)), friends.words)
        case Heard(person):
            return _with(friends, person, _after_word(tie, event), friends.words)
        case _:
            assert_never(event)


def _after_word(tie: Tie, word: Heard) -> Tie:
    """Our wish ends if they ended it, or if the request that we accepted gave way to a later word of theirs."""
    mine = tie.mine and tie.number > word.ends and not 0 < tie.upon < word.number
    if word.number <= tie.heard:
        return replace(tie, mine=mine)  # a later one overtook it
    answers = not word.upon or (mine and tie.number == word.upon)
    return replace(tie, mine=mine, theirs=word.wants and answers, heard=word.number)


def _with(friends: Friends, person: str, tie: Tie, words: int) -> Friends:
    ties = dict(friends.ties)
    ties.pop(person, None)
    ties[person] = tie  # at the end: the oldest come first
    if len(ties) > TIES_MAX:
        del ties[next(other for other, each in ties.items() if each.state == "none")]
    return Friends(words, ties, friends.erased)


def view_friends(friends: Friends, _: object) -> object:
    """All friends, all who ask and all who were asked, and who is blocked, each in the order of their names."""
    return {
        state: sorted(person for person, tie in friends.ties.items() if tie.state == state)
        for state in ("friends", "asks", "asked", "blocked")
    }


FRIENDS: Entity[Friends, FriendsCommand, FriendsEvent] = Entity(
    "social.friends",
    Friends(),
    FriendsCommand,
    FriendsEvent,
    decide,
    evolve,
    views={"friends": view_friends},
    collection="friends",
    life={"tie": TIE},
    takes_from=("identity",),
    state_bytes_max=512 * 1024,
)
