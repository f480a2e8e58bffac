"""`WaysService`: codes that are scanned, short links, shared cards, rules of ordinary links.

A code follows from its target, so a mint asks the entity that it must be; a link or a card follows from its call.
"""

import asyncio
import hashlib
from typing import Any

from actors.adapters.qr import MEDIA_TYPES, SCALE_DEFAULT, SCALE_MAX, picture
from actors.domain.counting import DAY_MS
from actors.domain.ways import address, link, rules, share
from actors.domain.ways.address import NAME_CHARS
from actors.domain.ways.code import CODE, Code, Mint, Revoke, code_of, read_text, text_of
from actors.domain.ways.link import LINK, Link
from actors.domain.ways.quota import QUOTA, Take
from actors.domain.ways.rules import RULES
from actors.domain.ways.share import SHARE, Card
from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound
from actors.payload import checked
from actors.principal import Role
from gateway.answering import Context
from gateway.services.belonging import check_of_program, check_page, has_page
from gateway.steps import Steps, TypedService, stamped
from gateway.v1 import ways_pb2 as pb
from gateway.v1 import ways_pb2_grpc

_TEAM = ("admin", "developer", "operator")
"""Which roles of a team do what a program's server may: its codes, links, cards and rules."""


class WaysService(TypedService, ways_pb2_grpc.WaysServiceServicer):
    """See `protos/gateway/v1/ways.proto`."""

    async def MintCode(self, request: pb.MintCodeRequest, context: Context) -> pb.MintCodeResponse:
        """The code of a target."""
        program, env = request.program, request.env or "release"
        code = code_of(program, request.page, request.scene, env)
        at = CODE.at(f"{program}/{code}")

        async def work(steps: Steps) -> pb.MintCodeResponse:
            await check_of_program(steps, program, _TEAM)
            is_there = has_page(self._routes, program, request.page, steps.request_id)
            wanted: Any = env  # one of three; whatever else is refused when the command is checked
            mint = Mint(request.page, request.scene, wanted, gone=not is_there)
            checked(mint)  # before anything is counted
            # Of an older look only the absence could be wrong: then a code that is there is counted once more.
            if is_there and (await steps.look(at, "code", Code)).state == "none":
                await steps.ask(QUOTA.at(program), Take("code", self.process.codes_minute_max), 1)
            answer = await steps.ask(at, mint)
            text = text_of(self.process.code_host, program, code)
            return stamped(pb.MintCodeResponse(code=code, text=text), answer)

        return await self.answer(context, "MintCode", at, request.request_id, work)

    async def GetCode(self, request: pb.GetCodeRequest, context: Context) -> pb.GetCodeResponse:
        """A code and its picture; also of one that was revoked."""
        at = CODE.at(f"{request.program}/{request.code}")

        async def work(steps: Steps) -> pb.GetCodeResponse:
            await check_of_program(steps, request.program, _TEAM)
            _check_drawing(request)
            code = await _code(steps, at)
            text = text_of(self.process.code_host, request.program, request.code)
            form, scale = request.format, request.scale or SCALE_DEFAULT
            # Milliseconds of plain Python: not on the loop that serves everybody's calls.
            image = await asyncio.to_thread(picture, text, form, scale) if form else b""
            return pb.GetCodeResponse(
                state=code.state,
                text=text,
                page=code.page,
                scene=code.scene,
                env=code.env,
                minted_ms=code.minted_ms,
                media_type=MEDIA_TYPES.get(form, ""),
                image=image,
            )

        return await self.answer(context, "GetCode", at, "", work)

    async def ResolveCode(self, request: pb.ResolveCodeRequest, context: Context) -> pb.ResolveCodeResponse:
        """Where a scanned text leads."""
        read = read_text(self.process.code_host, request.text)
        at = CODE.at("/".join(read or ()))

        async def work(steps: Steps) -> pb.ResolveCodeResponse:
            if read is None:
                message = f"{request.text[:100]!r} is no code of this platform"
                raise InvalidCommand(message, field="text", reason="INVALID_CODE")
            code = await _code(steps, at)
            if code.state != "minted":
                raise NotFound("this code was revoked", reason="CODE_REVOKED")
            program, name = read
            return pb.ResolveCodeResponse(program=program, code=name, page=code.page, scene=code.scene, env=code.env)

        return await self.answer(context, "ResolveCode", at, "", work)

    async def RevokeCode(self, request: pb.RevokeCodeRequest, context: Context) -> pb.RevokeCodeResponse:
        """The end of a code."""
        at = CODE.at(f"{request.program}/{request.code}")

        async def work(steps: Steps) -> pb.RevokeCodeResponse:
            await check_of_program(steps, request.program, _TEAM)
            answer = await steps.ask(at, Revoke())
            return stamped(pb.RevokeCodeResponse(), answer)

        return await self.answer(context, "RevokeCode", at, request.request_id, work)

    async def MintLink(self, request: pb.MintLinkRequest, context: Context) -> pb.MintLinkResponse:
        """A new link."""
        program, ttl_ms_max = request.program, self.process.link_ttl_ms_max

        async def work(steps: Steps) -> pb.MintLinkResponse:
            await check_of_program(steps, program, _TEAM)
            is_there = has_page(self._routes, program, request.page, steps.request_id)
            name = steps.new_name(NAME_CHARS)
            filled = ("ttl_ms_max", "gone") if request.ttl_ms else ("ttl_ms", "ttl_ms_max", "gone")
            ttl_ms = request.ttl_ms or ttl_ms_max
            mint = link.Mint(request.page, ttl_ms, request.scene, ttl_ms_max, not is_there, filled)
            checked(mint)
            link.check_ttl(mint)
            if is_there:
                await steps.ask(QUOTA.at(program), Take("link", self.process.links_day_max), 1)
            answer = await steps.ask(LINK.at(f"{program}/{name}"), mint)
            text = address.written(self.process.code_host, "L", program, name)
            return stamped(pb.MintLinkResponse(link=name, text=text), answer)

        return await self.answer(context, "MintLink", LINK.at(program), request.request_id, work)

    async def ResolveLink(self, request: pb.ResolveLinkRequest, context: Context) -> pb.ResolveLinkResponse:
        """Where a link leads, for the one who opens it."""
        found = address.read(self.process.code_host, "L", NAME_CHARS, request.text)
        at = LINK.at("/".join(found or ()))

        async def work(steps: Steps) -> pb.ResolveLinkResponse:
            program, name = _read(found, request.text, "INVALID_LINK")
            await check_of_program(steps, program, _TEAM, persons=True)
            # Where it leads never changes: of an older look only the absence could be wrong.
            leads = await steps.look(at, "link", Link)
            if leads.state == "none":
                raise NotFound("there is no such link; nobody has minted it", reason="NO_SUCH_LINK")
            most = self.process.link_opens_day_max
            await self.counting.count(f"link opens {program}", DAY_MS, most, "TOO_MANY_LINK_OPENS")
            answer = await steps.ask(at, link.Open())
            response = pb.ResolveLinkResponse(
                program=program, link=name, page=leads.page, scene=leads.scene, expires_ms=leads.expires_ms
            )
            return stamped(response, answer)

        return await self.answer(context, "ResolveLink", at, request.request_id, work)

    async def Share(self, request: pb.ShareRequest, context: Context) -> pb.ShareResponse:
        """A new card. Its path is its parent's, which never changes, and itself."""
        program = request.program

        async def work(steps: Steps) -> pb.ShareResponse:
            await check_of_program(steps, program, _TEAM, persons=True)
            is_there = has_page(self._routes, program, request.page, steps.request_id)
            before = await _path_of(steps, program, request.parent) if request.parent else ()
            name = steps.new_name(NAME_CHARS)
            wanted = share.Share(request.page, request.scene, before, gone=not is_there)
            checked(wanted)
            if is_there:
                share.check_path(before, steps.caller)  # before anything is counted
                who = hashlib.blake2b(steps.caller.encode(), digest_size=16).hexdigest()
                await steps.ask(QUOTA.at(f"{program}/{who}"), Take("share", self.process.shares_minute_max), 1)
            answer = await steps.ask(SHARE.at(f"{program}/{name}"), wanted)
            response = pb.ShareResponse(
                share=name, text=address.written(self.process.code_host, "S", program, name), depth=len(before) + 1
            )
            return stamped(response, answer)

        return await self.answer(context, "Share", SHARE.at(program), request.request_id, work)

    async def GetShare(self, request: pb.GetShareRequest, context: Context) -> pb.GetShareResponse:
        """A card; for a person where it leads, for the program also over whom it came."""
        found = address.read(self.process.code_host, "S", NAME_CHARS, request.text)
        at = SHARE.at("/".join(found or ()))

        async def work(steps: Steps) -> pb.GetShareResponse:
            program, name = _read(found, request.text, "INVALID_SHARE")
            await check_of_program(steps, program, _TEAM, persons=True)
            card = await _card(steps, at)
            is_person = steps.principal is not None and steps.principal.role is Role.PERSON
            if is_person:
                _check_shared(card)
            return pb.GetShareResponse(
                program=program,
                share=name,
                state=card.state,
                page=card.page,
                scene=card.scene,
                shared_ms=card.shared_ms,
                path=[] if is_person else [pb.ShareHop(share=hop.share, by=hop.by) for hop in card.path],
            )

        return await self.answer(context, "GetShare", at, "", work)

    async def Withdraw(self, request: pb.WithdrawRequest, context: Context) -> pb.WithdrawResponse:
        """The end of a card."""
        at = SHARE.at(f"{request.program}/{request.share}")

        async def work(steps: Steps) -> pb.WithdrawResponse:
            await check_of_program(steps, request.program, _TEAM, persons=True)
            answer = await steps.ask(at, share.Withdraw())
            return stamped(pb.WithdrawResponse(), answer)

        return await self.answer(context, "Withdraw", at, request.request_id, work)

    async def AddRule(self, request: pb.AddRuleRequest, context: Context) -> pb.RuleChange:
        """A rule of a host."""
        process = self.process

        async def work(steps: Steps) -> pb.RuleChange:
            await check_of_program(steps, request.program, _TEAM)
            check_page(self._routes, request.program, request.page)
            add = rules.Add(request.program, request.prefix, request.page, process.link_rules_max)
            answer = await steps.ask(_rules_of(request.host), add)
            return stamped(pb.RuleChange(), answer)

        return await self.answer(context, "AddRule", RULES.at(request.host), request.request_id, work)

    async def PublishRules(self, request: pb.PublishRulesRequest, context: Context) -> pb.RuleChange:
        """The rules of a host as they are now."""
        process = self.process

        async def work(steps: Steps) -> pb.RuleChange:
            await check_of_program(steps, request.program, _TEAM)
            publish = rules.Publish(request.program, process.link_publishes_month_max)
            answer = await steps.ask(_rules_of(request.host), publish)
            return stamped(pb.RuleChange(), answer)

        return await self.answer(context, "PublishRules", RULES.at(request.host), request.request_id, work)

    async def MatchRule(self, request: pb.MatchRuleRequest, context: Context) -> pb.MatchRuleResponse:
        """Where an ordinary link leads."""
        host, path = address.read_url(request.url) or ("", "")

        async def work(steps: Steps) -> pb.MatchRuleResponse:
            found = await steps.look(_rules_of(host, "url"), "match", rules.Match, path=path)
            if not found.page:
                raise NotFound("no rule leads from this link to a program", reason="NO_SUCH_RULE")
            return pb.MatchRuleResponse(program=found.program, page=found.page, prefix=found.prefix)

        return await self.answer(context, "MatchRule", RULES.at(host), "", work)


def _rules_of(host: str, field: str = "host") -> Ref[rules.Command]:
    """The rules of a host as addresses name it. Raises InvalidCommand."""
    if (address.read_url(f"https://{host}") or ("", ""))[0] != host or not host:
        message = f"{field}: a host is such as shop.example, in small letters"
        raise InvalidCommand(message, field=field, reason="INVALID_HOST" if field == "host" else "INVALID_URL")
    return RULES.at(host)


def _check_drawing(request: pb.GetCodeRequest) -> None:
    """Raises InvalidCommand."""
    if request.format and request.format not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        message = f"there is no format {request.format[:100]!r}; there are {known}"
        raise InvalidCommand(message, field="format", reason="INVALID_FORMAT")
    if not 0 <= request.scale <= SCALE_MAX:
        raise InvalidCommand(f"a module is 1 to {SCALE_MAX} pixels wide", field="scale", reason="INVALID_SCALE")


def _read(found: tuple[str, str] | None, text: str, reason: str) -> tuple[str, str]:
    """The program and the name that were read from a text. Raises InvalidCommand when there are none."""
    if found is None:
        message = f"{text[:100]!r} is no address of this platform for what is asked"
        raise InvalidCommand(message, field="text", reason=reason)
    return found


async def _card(steps: Steps, at: Ref[Any]) -> Card:
    """A card that was shared. Raises NotFound."""
    card = await steps.look(at, "share", Card)
    if card.state == "none":
        raise NotFound("there is no such card; nobody has shared it", reason="NO_SUCH_SHARE")
    return card


def _check_shared(card: Card) -> None:
    """Raises NotFound for a card that was withdrawn."""
    if card.state != "shared":
        raise NotFound("this card was withdrawn", reason="SHARE_WITHDRAWN")


async def _path_of(steps: Steps, program: str, parent: str) -> tuple[share.Hop, ...]:
    """The path to a card that is handed on. Raises NotFound."""
    card = await _card(steps, SHARE.at(f"{program}/{parent}"))
    _check_shared(card)
    return card.path


async def _code(steps: Steps, at: Ref[Any]) -> Code:
    """What the code stands for, or stood. Raises NotFound."""
    code = await steps.look(at, "code", Code)
    if code.state == "none":
        raise NotFound("there is no such code; nobody has minted it", reason="NO_SUCH_CODE")
    return code
