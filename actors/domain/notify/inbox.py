"""The inbox: what a person was not there to hear, as one program sent it. The newest 1,000 are kept, in pages of 100.

The inbox counts; its pages hold. There is one page more than are full, and they take turns: the page of a new round
forgets what it held. All of them, and the box that delivers, share a routing key: a delivery is one record.
"""

from typing import Annotated, TypeAlias, assert_never, cast

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.erasable import LIFE, Erasable, check_kept
from actors.domain.notify.message import Message
from actors.entity import Context, Decision, Entity, Reject, Send, accept

KEPT_MAX = 1_000
PAGE_SIZE = 100
PAGES = KEPT_MAX // PAGE_SIZE + 1


class Deliver(Struct, frozen=True, tag="notify.inbox.deliver"):
    message: Message
    sent_ms: int


class Read(Struct, frozen=True, tag="notify.inbox.read"):
    """The person has read all up to this one."""

    cursor: Annotated[int, Meta(ge=0)]


class Erase(Struct, frozen=True, tag="notify.inbox.erase"):
    """The person is erased: every page forgets what it holds, and nothing more is delivered."""


class Delivered(Struct, frozen=True, tag="notify.inbox.delivered"):
    cursor: int
    message_id: str
    at_ms: int


class WasRead(Struct, frozen=True, tag="notify.inbox.was-read"):
    cursor: int
    at_ms: int


class WasErased(Struct, frozen=True, tag="notify.inbox.was-erased"):
    pass


Command: TypeAlias = Deliver | Read | Erase
Event: TypeAlias = Delivered | WasRead | WasErased


class Inbox(Erasable, Struct, frozen=True):
    """`put` is the cursor of the newest, `read` of the newest that was read."""

    put: int = 0
    read: int = 0


def decide(inbox: Inbox, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Deliver(message, sent_ms):
            ctx.only_from("notify.box", ctx.entity_id)
            check_kept(inbox)
            cursor = inbox.put + 1
            keep = Send(PAGE.at(page_id(ctx.entity_id, cursor)), Keep(Item(cursor, message, sent_ms)))
            return accept(Delivered(cursor, message.message_id, ctx.now_ms), actions=(keep,))
        case Read(cursor):
            check_kept(inbox)
            if cursor > inbox.put:
                raise Reject("cursor_ahead", cursor=str(cursor), last=str(inbox.put))
            return accept(WasRead(cursor, ctx.now_ms)) if cursor > inbox.read else accept()
        case Erase():
            ctx.only_from("identity.link", ctx.entity_id)
            if inbox.erased:
                return accept()
            pages = range(1, min(inbox.put, PAGES * PAGE_SIZE) + 1, PAGE_SIZE)
            forget = tuple(Send(PAGE.at(page_id(ctx.entity_id, cursor)), Forget()) for cursor in pages)
            return accept(WasErased(), actions=forget)
        case _:
            assert_never(command)


def evolve(inbox: Inbox, event: Event) -> Inbox:
    match event:
        case Delivered(cursor):
            return replace(inbox, put=cursor)
        case WasRead(cursor):
            return replace(inbox, read=cursor)
        case WasErased():
            return Inbox(inbox.put, inbox.put, erased=True)
        case _:
            assert_never(event)


def missed(inbox: Inbox, after: int) -> int:
    """How many above this cursor are gone for want of room, unread."""
    return max(inbox.put - KEPT_MAX - max(after, inbox.read), 0)


def page_id(inbox: str, cursor: int) -> str:
    """The id of the page that holds the message at this cursor."""
    return f"{inbox}/{(cursor - 1) // PAGE_SIZE % PAGES}"


def view_inbox(inbox: Inbox, _: object) -> object:
    """How many there are, and which were read."""
    return inbox


INBOX = Entity(
    "notify.inbox",
    Inbox(),
    Command,
    Event,
    decide,
    evolve,
    views={"inbox": view_inbox},
    life={"inbox": LIFE},
    collection="inboxes",
    takes_from=("identity",),
    timers_max=0,
)


class Item(Struct, frozen=True):
    """A message in its place."""

    cursor: int
    message: Message
    sent_ms: int


class Keep(Struct, frozen=True, tag="notify.inbox-page.keep"):
    item: Item


class Forget(Struct, frozen=True, tag="notify.inbox-page.forget"):
    """The inbox's: its person is erased."""


class Kept(Struct, frozen=True, tag="notify.inbox-page.kept"):
    item: Item


class Forgotten(Struct, frozen=True, tag="notify.inbox-page.forgotten"):
    pass


class Page(Struct, frozen=True):
    items: tuple[Item, ...] = ()


PageCommand: TypeAlias = Keep | Forget
PageEvent: TypeAlias = Kept | Forgotten


def decide_page(_: Page, command: PageCommand, ctx: Context) -> Decision[PageEvent]:
    ctx.only_from("notify.inbox", _inbox_of(ctx.entity_id))
    return accept(Kept(command.item)) if isinstance(command, Keep) else accept(Forgotten())


def evolve_page(page: Page, event: PageEvent) -> Page:
    if isinstance(event, Forgotten):
        return Page()
    first = event.item.cursor - (event.item.cursor - 1) % PAGE_SIZE
    return Page((*(item for item in page.items if item.cursor >= first), event.item))


def view_page(page: Page, args: object) -> object:
    """What the page holds above the cursor `after`, oldest first."""
    given = cast("dict[str, object]", args).get("after", 0)
    cursor = given if isinstance(given, int) else 0
    return [item for item in page.items if item.cursor > cursor]


def _inbox_of(entity_id: str) -> str:
    return entity_id.rpartition("/")[0]


PAGE = Entity(
    "notify.inbox-page",
    Page(),
    PageCommand,
    PageEvent,
    decide_page,
    evolve_page,
    views={"page": view_page},
    routing=_inbox_of,
    state_bytes_max=1024 * 1024,
    timers_max=0,
)
