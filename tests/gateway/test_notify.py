"""Notifications through a gateway: granted, sent, heard or found in the inbox; by whom; and all that is refused."""

# One test ends a gateway as a kill would.
# pyright: reportPrivateUsage=false

import itertools
from functools import partial
from typing import Any

import grpc
import msgspec

from actors.clocks import wall_ms
from actors.domain.notify.fields import flaw_of_values
from actors.domain.notify.window import UNLIMITED
from actors.kernel.record import Slice
from actors.settings import ProcessSettings
from gateway.v1 import catalog_pb2, notify_pb2_grpc
from gateway.v1 import notify_pb2 as pb
from tests.gateway.scene import CLUSTER, field_of, new_id, reason_of, refused
from tests.gateway.street import Street, Wrong, walk

INVALID, ABSENT, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
)
READY = pb.TemplateRequest(program="bike", template="ready")
DRAFT = pb.DraftTemplateRequest(program="bike", template="ready", title="Ready", fields=["thing1", "time2"])
ANN = pb.NotifiedRequest(program="bike", openid="ann")
FIELDS = {"thing1": "your bike", "time2": "15:01"}


class Notices(Street):
    """One approved template is there, unless callers must prove who they are."""

    service = notify_pb2_grpc.NotifyServiceStub

    async def opens(self, process: ProcessSettings) -> None:
        """Everything starts."""
        await super().opens(process)
        if not process.identity_required:
            await self.approved()

    async def approved(self, **tokens: Any) -> None:
        """The template is there."""
        await self.stub.DraftTemplate(DRAFT, **tokens)
        await self.stub.ApproveTemplate(READY, **tokens)

    async def answers(self, *answers: str, **tokens: Any) -> None:
        """Ann answers so many prompts."""
        for answer in answers:
            prompt = pb.AnswerPromptRequest(program="bike", openid="ann", templates=["ready"], answers=[answer])
            await self.stub.AnswerPrompt(prompt, **tokens)

    def send(self, message_id: str, **fields: Any) -> Any:
        """The program sends this to ann."""
        return self.stub.SendMessage(message(message_id, **fields))

    async def delivered(self, count: int = 1) -> None:
        """Waits until so many messages have come into an inbox."""
        topic, log = CLUSTER.events_topic_of("notify.inbox"), self.scene.log

        def are_there() -> bool:
            slices = [Slice(topic, partition) for partition in range(CLUSTER.partitions)]
            frames = [each.frame for at in slices for each in log.fetch(at, 0, 1 << 22)]
            return sum(frame.count(b"notify.inbox.delivered") for frame in frames) >= count

        await log.until(are_there)


def message(message_id: str, **fields: Any) -> pb.SendMessageRequest:
    """A message to ann."""
    given: dict[str, Any] = {"template": "ready", "fields": msgspec.json.encode(FIELDS)} | fields
    return pb.SendMessageRequest(program="bike", openid="ann", message_id=message_id, **given)


in_street = partial(walk, Notices)


def test_two_grants_are_two_sends_and_a_third_is_refused_by_its_reason() -> None:
    async def act(street: Notices) -> None:
        code, status = await refused(street.send("a"))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "notify_refused")
        await street.answers("accept", "accept")
        assert [(await street.send(name)).left for name in ("a", "b")] == [1, 0]
        _, status = await refused(street.send("c"))
        assert reason_of(status) == "notify_used_up"
        (grant,) = (await street.stub.GetGrants(ANN)).grants
        assert (grant.template, grant.left, grant.used, grant.said) == ("ready", 0, 2, "accept")
        await street.answers("ban")
        _, status = await refused(street.send("d"))
        assert reason_of(status) == "notify_banned"

    in_street(act)


def test_a_message_id_is_one_send_by_whatever_request_and_at_whatever_gateway() -> None:
    async def act(street: Notices) -> None:
        second = await street.another()
        await street.answers("accept", "accept")
        same = message("a", request_id=new_id())
        caller = street.by("bike-server")
        first = await street.stub.SendMessage(same, metadata=caller)
        again = await second.SendMessage(same, metadata=caller)
        later = await second.SendMessage(message("a"), metadata=caller)
        assert [answer.duplicate for answer in (first, again, later)] == [False, True, True]
        assert (later.left, first.position == again.position) == (1, True)
        _, status = await refused(street.send("a", fields=msgspec.json.encode({**FIELDS, "thing1": "else"})))
        assert reason_of(status) == "message_id_taken"

    in_street(act)


def test_who_listens_has_it_at_once_and_acknowledges_it() -> None:
    async def act(street: Notices) -> None:
        listening = street.stub.ListenBox(pb.ListenBoxRequest(program="bike", openid="ann"))
        await street.answers("accept", "accept")
        await street.send("a", page="pages/map/index")
        heard = await listening.read()
        assert (heard.cursor, msgspec.json.decode(heard.payload)) == (
            1,
            {"type": "notify.message", "message_id": "a", "template": "ready", "title": "Ready", "fields": FIELDS}
            | {"page": "pages/map/index", "text": None},
        )
        await street.send("b")
        assert (await listening.read()).cursor == 2
        listening.cancel()
        await street.stub.AcknowledgeBox(pb.CursorRequest(program="bike", openid="ann", cursor=1))
        again = street.stub.ListenBox(pb.ListenBoxRequest(program="bike", openid="ann"))
        assert (await again.read()).cursor == 2
        again.cancel()

    in_street(act)


def test_a_box_is_listened_to_across_the_death_of_a_gateway_without_loss_or_repeat() -> None:
    async def act(street: Notices) -> None:
        second = await street.another()
        first, count = street.scene.gateways[0], 12
        await street.answers(*("accept",) * count)
        listening = street.stub.ListenBox(pb.ListenBoxRequest(program="bike", openid="ann"))
        for n in range(4):
            await street.send(f"m{n}")
        heard = [(await listening.read()).cursor for _ in range(3)]
        await first._server.stop(None)  # as if it were killed: nothing is answered or drained
        listening.cancel()  # what came and was not read is not handled: the cursor says so
        for n in range(4, 8):
            await second.SendMessage(message(f"m{n}"))
        again = second.ListenBox(pb.ListenBoxRequest(program="bike", openid="ann", cursor=heard[-1]))
        for n in range(8, count):
            await second.SendMessage(message(f"m{n}"))
        heard += [(await again.read()).cursor for _ in range(count - len(heard))]
        assert heard == list(range(1, count + 1))
        again.cancel()

    in_street(act, ProcessSettings(notify_unheard_ms=600_000))


def test_what_nobody_hears_in_time_is_in_the_inbox_until_it_is_read() -> None:
    async def act(street: Notices) -> None:
        await street.answers("accept")
        await street.send("a")
        await street.delivered()
        asked = pb.ListInboxRequest(program="bike", openid="ann")
        found = await street.stub.ListInbox(asked)
        (item,) = found.items
        assert (item.cursor, item.message_id, item.title, item.read) == (1, "a", "Ready", False)
        assert (msgspec.json.decode(item.fields), found.unread, found.missed, found.next) == (FIELDS, 1, 0, 0)
        await street.stub.ReadInbox(pb.CursorRequest(program="bike", openid="ann", cursor=1))
        found = await street.stub.ListInbox(asked)
        assert (found.items[0].read, found.unread) == (True, 0)

    in_street(act, ProcessSettings(notify_unheard_ms=1))


def test_an_inbox_is_read_part_by_part_to_its_end() -> None:
    async def act(street: Notices) -> None:
        names = [str(number) for number in range(7)]
        await street.answers(*["accept"] * len(names))
        for name in names:
            await street.send(name)
        await street.delivered(len(names))
        seen: list[str] = []
        after = 0
        for _ in names:
            asked = pb.ListInboxRequest(program="bike", openid="ann", after=after, limit=3)
            found = await street.stub.ListInbox(asked)
            seen += [item.message_id for item in found.items]
            after = found.next
            if not after:
                break
        assert (seen, after) == (names, 0)

    in_street(act, ProcessSettings(notify_unheard_ms=1))


def test_customer_service_replies_within_a_window_and_not_without() -> None:
    async def act(street: Notices) -> None:
        def reply(number: int) -> Any:
            return street.stub.ReplyTo(
                pb.ReplyToRequest(program="bike", openid="ann", message_id=str(number), text="yes")
            )

        code, status = await refused(reply(0))
        assert (code, reason_of(status)) == (grpc.StatusCode.FAILED_PRECONDITION, "window_closed")
        await street.stub.NoteAct(pb.NoteActRequest(program="bike", openid="ann", act="message"))
        assert [(await reply(number)).duplicate for number in (1, 1, 2, 3, 4, 5)] == [False, True, *[False] * 4]
        _, status = await refused(reply(6))
        assert reason_of(status) == "window_full"
        (window,) = (await street.stub.GetWindows(ANN)).windows
        assert (window.act, window.left) == ("message", 0)

    in_street(act)


HOUR_MS = 3_600_000
WINDOWS = ProcessSettings(
    notify_prompt_max=4,
    window_message_max=2,
    window_message_ms=HOUR_MS,
    window_enter_max=3,
    window_enter_ms=2 * HOUR_MS,
    window_act_max=4,
    window_act_ms=3 * HOUR_MS,
    window_pay_ms=4 * HOUR_MS,
)


def test_windows_and_prompts_are_what_the_settings_say() -> None:
    async def act(street: Notices) -> None:
        for done in ("message", "enter", "menu", "follow", "scan", "pay"):
            await street.stub.NoteAct(pb.NoteActRequest(program="bike", openid="ann", act=done))
        found = {one.act: one for one in (await street.stub.GetWindows(ANN)).windows}
        left = {act: one.left for act, one in found.items()}
        assert left == {"message": 2, "enter": 3, "menu": 4, "follow": 4, "scan": 4, "pay": UNLIMITED}
        now_ms = wall_ms()
        hours = {act: round((one.until_ms - now_ms) / HOUR_MS) for act, one in found.items()}
        assert hours == {"message": 1, "enter": 2, "menu": 3, "follow": 3, "scan": 3, "pay": 4}
        asked = pb.AnswerPromptRequest(program="bike", openid="ann", templates=list("abcde"), answers=["accept"] * 5)
        _, status = await refused(street.stub.AnswerPrompt(asked))
        assert (reason_of(status), field_of(status)) == ("INVALID_TEMPLATES", "templates")
        four = pb.AnswerPromptRequest(program="bike", openid="ann", templates=list("abcd"), answers=["accept"] * 4)
        _, status = await refused(street.stub.AnswerPrompt(four))
        assert reason_of(status) == "NO_SUCH_TEMPLATE", "so many may be asked for"

    in_street(act, WINDOWS)


REFUSED: list[Wrong] = [
    ("SendMessage", message("a", fields=b"{"), INVALID, "INVALID_FIELD", "fields"),
    ("SendMessage", message("a", fields=b'{"thing1":1}'), INVALID, "INVALID_FIELD", "fields"),
    ("SendMessage", message("a", fields=b"{}"), INVALID, "INVALID_FIELD", "fields.thing1"),
    (
        *("SendMessage", message("a", fields=msgspec.json.encode({**FIELDS, "thing1": "x" * 21})), INVALID),
        *("INVALID_FIELD", "fields.thing1"),
    ),
    ("SendMessage", message("a", page="pages/nowhere"), INVALID, "NO_SUCH_PAGE", "page"),
    ("SendMessage", message("a", template="else"), ABSENT, "NO_SUCH_TEMPLATE", ""),
    ("SendMessage", message(""), INVALID, "INVALID_COMMAND", "$.message.message_id"),
    ("SendMessage", message("x" * 65), INVALID, "INVALID_COMMAND", "$.message.message_id"),
    ("GetGrants", pb.NotifiedRequest(program="bike"), INVALID, "INVALID_ID", "openid"),
    ("GetGrants", pb.NotifiedRequest(program="bike", openid="a/b"), INVALID, "INVALID_ID", "openid"),
    ("AnswerPrompt", pb.AnswerPromptRequest(program="bike", openid="ann"), INVALID, "INVALID_COMMAND", "$.answers"),
    (
        *("AnswerPrompt", pb.AnswerPromptRequest(program="bike", openid="ann", templates=["ready"]), INVALID),
        *("INVALID_ANSWERS", "answers"),
    ),
    (
        "AnswerPrompt",
        pb.AnswerPromptRequest(program="bike", openid="ann", templates=list("abcd"), answers=["accept"] * 4),
        *(INVALID, "INVALID_TEMPLATES", "templates"),
    ),
    (
        "AnswerPrompt",
        pb.AnswerPromptRequest(program="bike", openid="ann", templates=["ready"], answers=["yes"]),
        *(INVALID, "INVALID_COMMAND", "$.answers[...].said"),
    ),
    (
        *("DraftTemplate", pb.DraftTemplateRequest(program="bar", template="t", title="T", fields=["thing1"]), ABSENT),
        *("NO_SUCH_PROGRAM", ""),
    ),
    (
        *("DraftTemplate", pb.DraftTemplateRequest(program="bike", template="t", title="T", fields=["it"]), INVALID),
        *("INVALID_FIELD", "fields[0]"),
    ),
    ("GetTemplate", pb.TemplateRequest(program="bike", template="else"), ABSENT, "NO_SUCH_TEMPLATE", ""),
    ("ListInbox", pb.ListInboxRequest(program="bike", openid="ann", limit=101), INVALID, "INVALID_PAGE", "limit"),
    ("ListInbox", pb.ListInboxRequest(program="bike", openid="ann", after=-1), INVALID, "INVALID_PAGE", "after"),
    ("NoteAct", pb.NoteActRequest(program="bike", openid="ann", act="x"), INVALID, "INVALID_COMMAND", "$.act"),
    ("ReplyTo", pb.ReplyToRequest(program="bike", openid="ann", message_id="a"), INVALID, "INVALID_TEXT", "text"),
    (
        "AcknowledgeBox",
        pb.CursorRequest(program="bike", openid="ann", cursor=-1),
        INVALID,
        "INVALID_COMMAND",
        "$.cursor",
    ),
    (
        "ReadInbox",
        pb.CursorRequest(program="bike", openid="ann", request_id="x"),
        INVALID,
        "INVALID_REQUEST_ID",
        "request_id",
    ),
]


def test_what_cannot_be_is_refused_by_its_reason_before_the_log() -> None:
    async def act(street: Notices) -> None:
        await street.check_refusals(REFUSED)

    in_street(act)


def test_a_template_that_is_not_approved_or_not_any_more_is_not_asked_for_and_not_sent() -> None:
    async def act(street: Notices) -> None:
        await street.answers("accept")
        await street.stub.DisableTemplate(READY)
        _, status = await refused(street.send("a"))
        assert reason_of(status) == "template_not_approved"
        _, status = await refused(street.answers("accept"))
        assert reason_of(status) == "template_not_approved"
        found = await street.stub.GetTemplate(READY)
        assert (found.state, list(found.fields)) == ("disabled", ["thing1", "time2"])
        assert flaw_of_values(found.fields, FIELDS) is None

    in_street(act)


def test_only_a_program_of_some_categories_asks_once_for_all_sends() -> None:
    async def act(street: Notices) -> None:
        lasting = pb.DraftTemplateRequest(program="bike", template="all", title="T", fields=["thing1"], lasting=True)
        _, status = await refused(street.stub.DraftTemplate(lasting))
        assert reason_of(status) == "not_for_this_category"
        await street.catalog.OpenAccount(catalog_pb2.OpenAccountRequest(account="acme", name="Acme", admin="ann"))
        bike = catalog_pb2.RegisterProgramRequest(account="acme", program="bike", title="Bike", category="transport")
        await street.catalog.RegisterProgram(bike)
        await street.stub.DraftTemplate(lasting)
        assert (await street.stub.GetTemplate(pb.TemplateRequest(program="bike", template="all"))).lasting

    in_street(act)


PERSONS, SERVERS = ("person/bike/ann", "operator/op"), ("server/bike", "operator/op")
MAY: list[tuple[str, Any, tuple[str, ...]]] = [
    ("DraftTemplate", DRAFT, SERVERS),
    ("ApproveTemplate", READY, ("operator/op",)),
    ("GetTemplate", READY, (*SERVERS, "person/bike/ann", "person/bike/bob")),
    (
        "AnswerPrompt",
        pb.AnswerPromptRequest(program="bike", openid="ann", templates=["ready"], answers=["accept"]),
        PERSONS,
    ),
    ("SendMessage", message("a"), SERVERS),
    ("ReplyTo", pb.ReplyToRequest(program="bike", openid="ann", message_id="a", text="x"), SERVERS),
    ("AcknowledgeBox", pb.CursorRequest(program="bike", openid="ann"), PERSONS),
    ("ReadInbox", pb.CursorRequest(program="bike", openid="ann"), PERSONS),
    ("ListInbox", pb.ListInboxRequest(program="bike", openid="ann"), PERSONS),
    ("NoteAct", pb.NoteActRequest(program="bike", openid="ann", act="message"), PERSONS),
    ("NoteAct", pb.NoteActRequest(program="bike", openid="ann", act="pay"), ("operator/op",)),
    ("GetGrants", ANN, (*SERVERS, "person/bike/ann")),
    ("GetWindows", ANN, (*SERVERS, "person/bike/ann")),
    ("DisableTemplate", READY, SERVERS),
]
CALLERS = (
    *("server/bike", "server/shop", "person/bike/ann", "person/bike/bob", "person/shop/ann", "operator/op"),
    *("member/acme/ann", "account/ann", "merchant/m1"),
)


def test_everybody_does_what_is_its_own_and_nothing_else() -> None:
    async def act(street: Notices) -> None:
        by = street.by
        await street.approved(metadata=by("operator/op"))
        await street.answers("accept", metadata=by("person/bike/ann"))
        for (method, request, may), caller in itertools.product(MAY, CALLERS):
            before = street.on_log()
            try:
                await getattr(street.stub, method)(request, metadata=by(caller))
                code = grpc.StatusCode.OK
            except grpc.aio.AioRpcError as error:
                code = error.code()
            assert (code not in (DENIED, ABSENT)) == (caller in may), (method, caller, code)
            assert caller in may or street.on_log() == before
        stranger = street.stub.ListenBox(
            pb.ListenBoxRequest(program="bike", openid="ann"), metadata=by("person/bike/bob")
        )
        code, _ = await refused(stranger.read())
        assert code == DENIED

    in_street(act, ProcessSettings(identity_required=True))
