"""`WebhookService`: where developers' servers are told of events, and what became of each telling."""

from typing import Any

import msgspec
from msgspec import Struct

from actors.adapters.outward import target_of
from actors.domain.webhook import endpoint as endpoints
from actors.domain.webhook.delivery import DELIVERY, Replay
from actors.domain.webhook.endpoint import ENDPOINT, Endpoint, Pause, Remove, Resume, Rotate, Set
from actors.entity import Ref
from actors.errors import NotFound
from gateway.answering import Context
from gateway.services.belonging import check_of_program, check_runs
from gateway.steps import Answer, Steps, TypedService, stamped
from gateway.v1 import webhooks_pb2 as pb
from gateway.v1 import webhooks_pb2_grpc

_TEAM = ("admin", "developer")
"""Which roles of a team say where its programs' events go."""


class _Try(Struct):
    attempt: int
    status: int
    note: str
    at_ms: int


class _Delivery(Struct):
    state: str
    endpoint: str
    left: int
    tries: list[_Try]


class WebhookService(TypedService, webhooks_pb2_grpc.WebhookServiceServicer):
    """See `protos/gateway/v1/webhooks.proto`."""

    async def SetEndpoint(self, request: pb.SetEndpointRequest, context: Context) -> pb.WebhookChange:
        """Where to, and what of. The address is looked at here first, and by whoever sends each time."""
        at = ENDPOINT.at(f"{request.program}/{request.endpoint}")

        async def work(steps: Steps) -> pb.WebhookChange:
            await check_of_program(steps, request.program, _TEAM)
            check_runs(self._routes, request.program)
            target_of(request.url, self.process.webhook_local_port)
            wanted = Set(request.url, tuple(request.events), self.process.webhook_endpoints_max)
            return _change(await steps.ask(at, wanted))

        return await self.answer(context, "SetEndpoint", at, request.request_id, work)

    async def RotateSecret(self, request: pb.EndpointRequest, context: Context) -> pb.WebhookChange:
        """A new secret."""
        return await self._endpoint(request, context, "RotateSecret", Rotate(self.process.webhook_overlap_ms))

    async def PauseEndpoint(self, request: pb.EndpointRequest, context: Context) -> pb.WebhookChange:
        """Nothing is told."""
        return await self._endpoint(request, context, "PauseEndpoint", Pause())

    async def ResumeEndpoint(self, request: pb.EndpointRequest, context: Context) -> pb.WebhookChange:
        """It is told again."""
        return await self._endpoint(request, context, "ResumeEndpoint", Resume())

    async def RemoveEndpoint(self, request: pb.EndpointRequest, context: Context) -> pb.WebhookChange:
        """Its end."""
        return await self._endpoint(request, context, "RemoveEndpoint", Remove())

    async def GetEndpoint(self, request: pb.EndpointRequest, context: Context) -> pb.GetEndpointResponse:
        """An endpoint; also one that was removed."""
        at = ENDPOINT.at(f"{request.program}/{request.endpoint}")

        async def work(steps: Steps) -> pb.GetEndpointResponse:
            await check_of_program(steps, request.program, _TEAM)
            found = await steps.look(at, "endpoint", Endpoint)
            if found.state == "none":
                raise NotFound("there is no such endpoint; nobody has set it", reason="NO_SUCH_ENDPOINT")
            return pb.GetEndpointResponse(**msgspec.structs.asdict(found))

        return await self.answer(context, "GetEndpoint", at, "", work)

    async def GetDelivery(self, request: pb.DeliveryRequest, context: Context) -> pb.GetDeliveryResponse:
        """A delivery and its tries."""
        at = DELIVERY.at(f"{request.program}/{request.delivery}")

        async def work(steps: Steps) -> pb.GetDeliveryResponse:
            await check_of_program(steps, request.program, _TEAM)
            found = await _delivery(steps, at)
            tries = [pb.DeliveryTry(**msgspec.structs.asdict(one)) for one in found.tries]
            return pb.GetDeliveryResponse(state=found.state, endpoint=found.endpoint, left=found.left, tries=tries)

        return await self.answer(context, "GetDelivery", at, "", work)

    async def ReplayDelivery(self, request: pb.DeliveryRequest, context: Context) -> pb.WebhookChange:
        """A dead delivery lives."""
        at = DELIVERY.at(f"{request.program}/{request.delivery}")

        async def work(steps: Steps) -> pb.WebhookChange:
            await check_of_program(steps, request.program, _TEAM)
            return _change(await steps.ask(at, Replay()))

        return await self.answer(context, "ReplayDelivery", at, request.request_id, work)

    async def _endpoint(
        self, request: pb.EndpointRequest, context: Context, method: str, command: endpoints.Command
    ) -> pb.WebhookChange:
        at = ENDPOINT.at(f"{request.program}/{request.endpoint}")

        async def work(steps: Steps) -> pb.WebhookChange:
            await check_of_program(steps, request.program, _TEAM)
            return _change(await steps.ask(at, command))

        return await self.answer(context, method, at, request.request_id, work)


async def _delivery(steps: Steps, at: Ref[Any]) -> _Delivery:
    """Raises NotFound."""
    found = await steps.look(at, "delivery", _Delivery)
    if found.state == "none":
        raise NotFound("there is no such delivery", reason="NO_SUCH_DELIVERY")
    return found


def _change(answer: Answer) -> pb.WebhookChange:
    return stamped(pb.WebhookChange(), answer)
