"""`NotifyService`: templates, grants, sends, the box, the inbox and the windows of customer service."""

import time
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from actors.domain.catalog.program import Program
from actors.domain.notify import inbox as inboxes
from actors.domain.notify.box import BOX
from actors.domain.notify.box import Acknowledge as AcknowledgeTo
from actors.domain.notify.fields import TEXT_CHARS_MAX, flaw_of_template, flaw_of_values
from actors.domain.notify.grants import GRANTS, Given, Grant, Use
from actors.domain.notify.grants import Answer as AnswerTo
from actors.domain.notify.inbox import INBOX, Inbox, Item
from actors.domain.notify.message import Message
from actors.domain.notify.template import TEMPLATE, Approve, Disable, Draft, Template
from actors.domain.notify.window import UNLIMITED, WINDOW, Note, Reply, Window
from actors.errors import InvalidCommand, NotFound, PlatformError, Reject
from actors.principal import PART, Principal, Role
from actors.sealing import Personal
from actors.settings import ProcessSettings
from gateway.answering import Context
from gateway.authority import check_method, denied
from gateway.listening import Listener, until_expiry
from gateway.services.belonging import check_of_program, check_page, check_person, check_runs, program_named
from gateway.steps import Answer, Steps, TypedService, stamped
from gateway.v1 import notify_pb2 as pb
from gateway.v1 import notify_pb2_grpc

_TEAM = ("admin", "developer", "operator")
"""Which roles of a team draft and disable its programs' templates."""
_LISTED = 20
T = TypeVar("T")


class _Used(Struct):
    """What `grants` say of a send; `again` when it was sent before, by another call."""

    again: bool
    left: int
    lasting: bool


class _Replied(Struct):
    again: bool


class NotifyService(TypedService, notify_pb2_grpc.NotifyServiceServicer):
    """See `protos/gateway/v1/notify.proto`."""

    async def DraftTemplate(self, request: pb.DraftTemplateRequest, context: Context) -> pb.NotifyChange:
        """A template's text."""
        at = TEMPLATE.at(f"{request.program}/{request.template}")

        async def work(steps: Steps) -> pb.NotifyChange:
            await check_of_program(steps, request.program, _TEAM)
            check_runs(self._routes, request.program)
            flaw = flaw_of_template(request.fields)
            if flaw is not None:
                raise InvalidCommand(flaw.message, field=flaw.field, reason="INVALID_FIELD")
            category = await _category(steps, request.program) if request.lasting else ""
            return _change(await steps.ask(at, Draft(request.title, tuple(request.fields), request.lasting, category)))

        return await self.answer(context, "DraftTemplate", at, request.request_id, work)

    async def ApproveTemplate(self, request: pb.TemplateRequest, context: Context) -> pb.NotifyChange:
        """It may be used."""
        return await self._template(context, "ApproveTemplate", request, Approve())

    async def DisableTemplate(self, request: pb.TemplateRequest, context: Context) -> pb.NotifyChange:
        """It may not be used any more."""
        return await self._template(context, "DisableTemplate", request, Disable())

    async def _template(
        self, context: Context, method: str, request: pb.TemplateRequest, command: Approve | Disable
    ) -> pb.NotifyChange:
        at = TEMPLATE.at(f"{request.program}/{request.template}")

        async def work(steps: Steps) -> pb.NotifyChange:
            await check_of_program(steps, request.program, _TEAM)
            return _change(await steps.ask(at, command))

        return await self.answer(context, method, at, request.request_id, work)

    async def GetTemplate(self, request: pb.TemplateRequest, context: Context) -> pb.GetTemplateResponse:
        """A template, for all of its program."""
        at = TEMPLATE.at(f"{request.program}/{request.template}")

        async def work(steps: Steps) -> pb.GetTemplateResponse:
            await check_of_program(steps, request.program, _TEAM, persons=True)
            found = await _template_of(steps, request.program, request.template)
            return pb.GetTemplateResponse(
                state=found.state, title=found.title, fields=found.fields, lasting=found.lasting
            )

        return await self.answer(context, "GetTemplate", at, "", work)

    async def AnswerPrompt(self, request: pb.AnswerPromptRequest, context: Context) -> pb.NotifyChange:
        """Grants, or none."""
        at = GRANTS.at(_person(request))

        async def work(steps: Steps) -> pb.NotifyChange:
            _check_person(steps.principal, request)
            names: list[str] = list(request.templates)
            if len(names) != len(request.answers) or len(set(names)) != len(names):
                message = "every template has one answer, at the same place"
                raise InvalidCommand(message, field="answers", reason="INVALID_ANSWERS")
            if len(names) > self.process.notify_prompt_max:
                message = f"a prompt asks for {self.process.notify_prompt_max} templates at most"
                raise InvalidCommand(message, field="templates", reason="INVALID_TEMPLATES")
            answers: dict[str, Given] = {}
            for name, answer in zip(names, request.answers, strict=True):
                said: Any = answer  # one of four; whatever else is refused when the command is checked
                answers[name] = Given(said, (await _approved(steps, request.program, name)).lasting)
            return _change(await steps.ask(at, AnswerTo(answers)))

        return await self.answer(context, "AnswerPrompt", at, request.request_id, work)

    async def GetGrants(self, request: pb.NotifiedRequest, context: Context) -> pb.GetGrantsResponse:
        """What is left."""
        at = GRANTS.at(_person(request))

        async def work(steps: Steps) -> pb.GetGrantsResponse:
            _check_person(steps.principal, request)
            found = await steps.look(at, "grants", dict[str, Grant])
            grants = [
                pb.TemplateGrant(
                    template=name, left=grant.left, lasting=grant.lasting, used=grant.used, said=grant.said
                )
                for name, grant in sorted(found.items())
            ]
            return pb.GetGrantsResponse(grants=grants)

        return await self.answer(context, "GetGrants", at, "", work)

    async def SendMessage(self, request: pb.SendMessageRequest, context: Context) -> pb.SendMessageResponse:
        """One grant, one send."""
        at = GRANTS.at(_person(request))

        async def work(steps: Steps) -> pb.SendMessageResponse:
            _check_person(steps.principal, request)
            values = _values(request.fields)
            template = await _approved(steps, request.program, request.template)
            flaw = flaw_of_values(template.fields, values)
            if flaw is not None:
                raise InvalidCommand(flaw.message, field=flaw.field, reason="INVALID_FIELD")
            check_runs(self._routes, request.program)
            if request.page:
                check_page(self._routes, request.program, request.page)
            said = await _sealed(steps, request, dict(sorted(values.items())))
            message = Message(request.message_id, request.template, template.title, said, request.page)
            answer = await steps.ask(at, Use(message, self.process.notify_unheard_ms))
            used = answer.reply(_Used)
            return stamped(pb.SendMessageResponse(left=used.left, lasting=used.lasting), answer, again=used.again)

        return await self.answer(context, "SendMessage", at, request.request_id, work)

    async def ListenBox(self, request: pb.ListenBoxRequest, context: Context) -> None:
        """What is put into the box."""
        began = time.perf_counter()
        try:
            caller = self.caller(context)
            check_method(caller.principal, "/gateway.v1.NotifyService/ListenBox")
            _check_person(caller.principal, request)
            route = self._routes.at(BOX.at(_person(request)))
            opened = partial(self._routes.sealing.opened, caller.principal)
            listener = Listener(self._ingress, route, request.cursor, opened)
            with until_expiry(caller, listener.expire):
                await self.serve(listener, listener.run(context))
        except PlatformError as error:
            await self.refuse(context, "ListenBox", began, error, "")

    async def AcknowledgeBox(self, request: pb.CursorRequest, context: Context) -> pb.NotifyChange:
        """Heard."""
        at = BOX.at(_person(request))

        async def work(steps: Steps) -> pb.NotifyChange:
            _check_person(steps.principal, request)
            return _change(await steps.ask(at, AcknowledgeTo(request.cursor)))

        return await self.answer(context, "AcknowledgeBox", at, request.request_id, work)

    async def ListInbox(self, request: pb.ListInboxRequest, context: Context) -> pb.ListInboxResponse:
        """A part of the inbox, read from the one or two pages that hold it."""
        at = INBOX.at(_person(request))

        async def work(steps: Steps) -> pb.ListInboxResponse:
            _check_person(steps.principal, request)
            limit = request.limit or _LISTED
            if not 1 <= limit <= inboxes.PAGE_SIZE or request.after < 0:
                message = f"an inbox is listed from a cursor on, 1 to {inboxes.PAGE_SIZE} at a time"
                raise InvalidCommand(message, field="limit" if request.after >= 0 else "after", reason="INVALID_PAGE")
            inbox = await steps.look(at, "inbox", Inbox)
            begin = max(request.after, inbox.put - inboxes.KEPT_MAX)
            last = min(begin + limit, inbox.put)
            items: list[Item] = []
            for page in dict.fromkeys(inboxes.page_id(at.id, cursor) for cursor in (begin + 1, last) if last > begin):
                items += await steps.look(inboxes.PAGE.at(page), "page", list[Item], after=begin)
            shown = [_item(steps, item, inbox.read) for item in items if item.cursor <= last]
            return pb.ListInboxResponse(
                items=shown,
                missed=inboxes.missed(inbox, request.after),
                next=last if last < inbox.put else 0,
                unread=min(inbox.put - inbox.read, inboxes.KEPT_MAX),
            )

        return await self.answer(context, "ListInbox", at, "", work)

    async def ReadInbox(self, request: pb.CursorRequest, context: Context) -> pb.NotifyChange:
        """Read."""
        at = INBOX.at(_person(request))

        async def work(steps: Steps) -> pb.NotifyChange:
            _check_person(steps.principal, request)
            return _change(await steps.ask(at, inboxes.Read(request.cursor)))

        return await self.answer(context, "ReadInbox", at, request.request_id, work)

    async def NoteAct(self, request: pb.NoteActRequest, context: Context) -> pb.NotifyChange:
        """A window opens."""
        at = WINDOW.at(_person(request))

        async def work(steps: Steps) -> pb.NotifyChange:
            _check_person(steps.principal, request)
            if request.act == "pay" and steps.principal is not None and steps.principal.role is not Role.OPERATOR:
                raise denied()
            act: Any = request.act  # one of six; whatever else is refused when the command is checked
            return _change(await steps.ask(at, Note(act, *_window(self.process, act))))

        return await self.answer(context, "NoteAct", at, request.request_id, work)

    async def ReplyTo(self, request: pb.ReplyToRequest, context: Context) -> pb.NotifyChange:
        """A message of customer service."""
        at = WINDOW.at(_person(request))

        async def work(steps: Steps) -> pb.NotifyChange:
            _check_person(steps.principal, request)
            if not 1 <= len(request.text) <= TEXT_CHARS_MAX:
                told = f"a reply says something, in {TEXT_CHARS_MAX} characters at most"
                raise InvalidCommand(told, field="text", reason="INVALID_TEXT")
            message = Message(request.message_id, text=await _sealed(steps, request, str(request.text)))
            answer = await steps.ask(at, Reply(message, self.process.notify_unheard_ms))
            again = answer.reply(_Replied).again
            return stamped(pb.NotifyChange(), answer, again=again)

        return await self.answer(context, "ReplyTo", at, request.request_id, work)

    async def GetWindows(self, request: pb.NotifiedRequest, context: Context) -> pb.GetWindowsResponse:
        """The windows."""
        at = WINDOW.at(_person(request))

        async def work(steps: Steps) -> pb.GetWindowsResponse:
            _check_person(steps.principal, request)
            found = await steps.look(at, "windows", dict[str, Window])
            windows = [
                pb.ServiceWindow(act=act, left=window.left, until_ms=window.until_ms)
                for act, window in sorted(found.items())
            ]
            return pb.GetWindowsResponse(windows=windows)

        return await self.answer(context, "GetWindows", at, "", work)


def _window(process: ProcessSettings, act: str) -> tuple[int, int]:
    """How many replies what a person does allows, and within what time."""
    match act:
        case "message":
            return process.window_message_max, process.window_message_ms
        case "enter":
            return process.window_enter_max, process.window_enter_ms
        case "pay":
            return UNLIMITED, process.window_pay_ms
        case _:
            return process.window_act_max, process.window_act_ms


def _person(request: Any) -> str:
    """The id of what is the person's in the program."""
    return f"{request.program}/{request.openid}"


def _check_person(principal: Principal | None, request: Any) -> None:
    """Raises PermissionDenied; InvalidCommand for what names no person."""
    check_person(principal, request.program, request.openid)
    if not all(PART.fullmatch(part) for part in (request.program, request.openid)):
        message = "a person is named by a program and a name in it, of letters, digits and . _ ~ -"
        field = "openid" if PART.fullmatch(request.program) else "program"
        raise InvalidCommand(message, field=field, reason="INVALID_ID")


async def _category(steps: Steps, program: str) -> str:
    """The program's category in the catalogue; none when it is not there."""
    try:
        owned = await program_named(steps, program)
    except NotFound:
        return ""
    return (await steps.look(owned, "program", Program)).category


async def _template_of(steps: Steps, program: str, name: str) -> Template:
    """Raises NotFound."""
    template = await steps.look(TEMPLATE.at(f"{program}/{name}"), "template", Template)
    if template.state == "none":
        raise NotFound(f"{program[:100]} has no template {name[:100]!r}", reason="NO_SUCH_TEMPLATE")
    return template


async def _approved(steps: Steps, program: str, name: str) -> Template:
    """Raises NotFound, or Reject for a template that may not be used, or not any more."""
    template = await _template_of(steps, program, name)
    if template.state != "approved":
        raise Reject("template_not_approved", template=name, state=template.state)
    return template


def _values(written: bytes) -> dict[str, str]:
    """What the fields of a message say. Raises InvalidCommand."""
    try:
        return msgspec.json.decode(written, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"fields is no JSON object of texts: {error}"
        raise InvalidCommand(message, field="fields", reason="INVALID_FIELD") from error


async def _sealed(steps: Steps, request: Any, said: T) -> Personal[T]:
    """What is said to a person: the same message says it in the same bytes, whichever call sends it."""
    return await steps.seal(_person(request), request.program, f"notify {request.message_id}", said)


def _item(steps: Steps, item: Item, read: int) -> pb.InboxItem:
    message = item.message
    return pb.InboxItem(
        cursor=item.cursor,
        message_id=message.message_id,
        template=message.template,
        title=message.title,
        fields=msgspec.json.encode(steps.open(message.fields) or {}),
        page=message.page,
        text=steps.open(message.text) or "",
        sent_ms=item.sent_ms,
        read=item.cursor <= read,
    )


def _change(answer: Answer) -> pb.NotifyChange:
    return stamped(pb.NotifyChange(), answer)
