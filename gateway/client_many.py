"""Many calls over streams, as our client keeps them: which are open, what each is named and came to."""

from collections.abc import Callable, Sequence

from actors.errors import DeadlineExceeded, PlatformError, Unavailable
from gateway.client_answers import Answer, CallTuple, answer_of, bytes_of
from gateway.client_errors import COME_BACK, UNKNOWN
from gateway.status import error_of
from gateway.v1 import program_pb2 as pb


class Many:
    """Many calls, by their place; each is named when it is first sent, so that a long queue does not age its ids."""

    def __init__(self, calls: Sequence[CallTuple]) -> None:
        self.outcomes: dict[int, Answer | PlatformError] = {}
        self.in_doubt = False
        """Whether a try of a call that is still open may have been appended."""
        self._calls = calls
        self._places: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def open(self) -> Sequence[int]:
        """The calls without an outcome."""
        outcomes = self.outcomes
        return [nth for nth in range(len(self._calls)) if nth not in outcomes]

    def batch(self, some: Sequence[int], new_name: Callable[[], str]) -> pb.InvokeBatch:
        """These calls as one message."""
        batch = pb.InvokeBatch()
        add, names, places = batch.calls.add, self._names, self._places
        for nth in some:
            entity, command, payload = self._calls[nth]
            name = names.get(nth)
            if name is None:
                name = names[nth] = new_name()
                places[name] = nth
            add(entity=entity, command=command, payload=bytes_of(payload), request_id=name)
        return batch

    def take(self, result: pb.InvokeResult) -> PlatformError | None:
        """Note one result; returns its error when the call should be sent again."""
        name = result.request_id
        nth = self._places[name]
        if result.HasField("response"):
            self.outcomes[nth] = answer_of(name, result.response)
            return None
        error = error_of(result.error)
        if isinstance(error, Unavailable | DeadlineExceeded) or error.reason in COME_BACK:
            self.in_doubt = self.in_doubt or error.reason == UNKNOWN
            return error
        self.outcomes[nth] = error
        return None
