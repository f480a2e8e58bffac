"""What gateways ask of a partition and must wait for: queries, and pending calls of a former owner. Pure."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from actors.kernel.action import Code, NeedState, Reply
from actors.kernel.partition import Partition
from actors.link import Absent, Answer, Ask, PendingCall, Replies
from actors.work import Tell, Work

ASKS_MAX = 10_000


class _Recall(NamedTuple):
    gateway: str
    calls: list[PendingCall]
    end: int


class Questions:
    """The questions to one partition that are not answered yet."""

    def __init__(self) -> None:
        self._asks: deque[tuple[str, Ask]] = deque(maxlen=ASKS_MAX)
        self._ends: dict[int, tuple[str, list[PendingCall]]] = {}
        self._recalls: deque[_Recall] = deque()

    def ask(self, gateway: str, ask: Ask) -> None:
        """Take a query in. Beyond the bound the oldest is forgotten; its gateway's deadline answers it."""
        self._asks.append((gateway, ask))

    def recall(self, gateway: str, calls: list[PendingCall], ticket: int) -> None:
        """Take a pending list in; `ticket` will tell the log's end as of now."""
        self._ends[ticket] = (gateway, calls)

    def end_found(self, ticket: int, end: int) -> None:
        """The log's end as of when the list came; queries that ask for a later watermark will never have one."""
        found = self._ends.pop(ticket, None)
        if found is not None:
            self._recalls.append(_Recall(*found, end))

    def answer(self, partition: Partition, serving: bool, emit: Callable[[Work], None]) -> NeedState | None:
        """Answer what can be answered now; a NeedState says what must be loaded first."""
        if not serving:
            return None
        return self._answer_recalls(partition, emit) or self._answer_asks(partition, emit)

    def _answer_recalls(self, partition: Partition, emit: Callable[[Work], None]) -> NeedState | None:
        while self._recalls and partition.meta.watermark >= self._recalls[0].end - 1:
            gateway, calls, _ = self._recalls[0]
            replies: list[Reply] = []
            absent: list[tuple[str, bytes]] = []
            needed: list[bytes] = []
            for caller, request_id, body in calls:
                found = partition.recall(gateway, caller, request_id, body)
                if isinstance(found, NeedState):
                    needed += found.keys
                elif found is None:
                    absent.append((caller, request_id))
                else:
                    replies.append(found)
            if needed:
                return NeedState(tuple(needed))
            self._recalls.popleft()
            if replies:
                emit(Tell(gateway, Replies(partition.number, replies)))
            if absent:
                emit(Tell(gateway, Absent(partition.number, absent)))
        return None

    def _answer_asks(self, partition: Partition, emit: Callable[[Work], None]) -> NeedState | None:
        watermark, epoch = partition.meta.watermark, partition.meta.owner.epoch
        for _ in range(len(self._asks)):
            gateway, ask = self._asks[0]
            if ask.at_least > watermark:
                self._asks.rotate(-1)
                continue
            answer = partition.view(ask.entity, ask.view, ask.args)
            if isinstance(answer, NeedState):
                return answer
            self._asks.popleft()
            code, payload = answer
            emit(Tell(gateway, Answer(ask.ask_id, partition.number, epoch, int(code), payload, watermark)))
        return None

    def refuse_beyond(self, end: int, partition: Partition, emit: Callable[[Work], None]) -> None:
        """Refuse the queries that wait for a watermark at or beyond the log's end: it may never come."""
        epoch = partition.meta.owner.epoch
        for gateway, ask in [waiting for waiting in self._asks if waiting[1].at_least >= end]:
            self._asks.remove((gateway, ask))
            emit(Tell(gateway, Answer(ask.ask_id, partition.number, epoch, int(Code.BEYOND_END), b"{}", end - 1)))
