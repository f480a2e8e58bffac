"""What the records of a partition say, sorted by where it goes: onto the log, to gateways, to the timers. Pure."""

from collections.abc import Iterable

from actors.due import DueTimers
from actors.kernel.action import Action, CancelTimer, Event, Push, Reply, Send, SetTimer
from actors.kernel.partition import DEAD_LETTER
from actors.kernel.record import Slice
from actors.settings import ClusterSettings


class Said:
    """What a partition has to say to gateways after a step, and counts of what it refused (by code) and gave up."""

    def __init__(self, number: int, cluster: ClusterSettings, timers: DueTimers) -> None:
        self.replies: dict[str, list[Reply]] = {}
        """By gateway, in order."""
        self.pushes: list[Push] = []
        self.refused: dict[int, int] = {}
        self.dead_letters = 0
        self._number = number
        self._cluster = cluster
        self._timers = timers
        self._events_slices: dict[str, Slice] = {}

    def sort(self, actions: Iterable[Action]) -> dict[Slice, list[bytes]]:
        """A frame was applied whole and these follow; returns what of it must get onto the log, in order by slice."""
        records: dict[Slice, list[bytes]] = {}
        events: dict[str, list[bytes]] = {}
        replies: list[Reply] = []
        gateway: str | None = None
        for action in actions:
            # All are told by their very type, the most frequent first: to learn what a struct is not takes longer.
            if type(action) is Event:
                some = events.get(action.kind)
                if some is None:
                    some = events[action.kind] = records.setdefault(self._events_slice(action.kind), [])
                some.append(action.record)
            elif type(action) is Reply:
                if action.producer != gateway:  # one frame is of one producer
                    gateway = action.producer
                    replies = self.replies.setdefault(gateway, [])
                replies.append(action)
                if action.code:
                    self.refused[action.code] = self.refused.get(action.code, 0) + 1
            else:
                self._carry(action, records)
        self.dead_letters += len(events.get(DEAD_LETTER, ()))
        return records

    def _carry(self, action: Send | Push | SetTimer | CancelTimer, records: dict[Slice, list[bytes]]) -> None:
        if type(action) is SetTimer:
            self._timers.add(action.entity, action.timer, action.generation, action.due_ms)
        elif type(action) is CancelTimer:
            self._timers.remove(action.entity, action.timer, action.generation)
        elif type(action) is Send:
            records.setdefault(Slice(self._cluster.commands_topic, action.destination), []).append(action.record)
        else:
            assert isinstance(action, Push)
            self.pushes.append(action)

    def _events_slice(self, kind: str) -> Slice:
        slice_ = self._events_slices.get(kind)
        if slice_ is None:
            slice_ = self._events_slices[kind] = Slice(self._cluster.events_topic_of(kind), self._number)
        return slice_
