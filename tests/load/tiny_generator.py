"""A generator that plays nothing: ready at once, one second told, done when it is cut; a `deaf` one hears no cut.

Told anything else, it says just that when it is cut, and goes on.
"""

import sys

import msgspec

from loadtests.driver.messages import Cut, Done, Go, Order, Ready, Task, Told
from loadtests.driver.tally import Tally

DONE = Done(
    arrived=1,
    offered=1,
    served=1,
    late=0,
    errors={},
    refusals={},
    retried={},
    unknown=0,
    doubts={},
    asked_again=0,
    told_otherwise=0,
    left_undone=0,
    left_out={},
    latency={},
    ledger=[],
    drawn={},
    cpu_s=0.0,
)


def say(report: Ready | Told | Done) -> None:
    """One line."""
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.flush()


def main(how: str) -> None:
    """Until nobody gives orders any more."""
    for line in sys.stdin.buffer:
        order: Order = msgspec.json.decode(line, type=Order)
        match order:
            case Task():
                say(Ready(arrivals=1))
            case Go():
                say(Told(Tally().roll(0, 0)))
            case Cut() if not how:
                say(DONE)
                return
            case Cut() if how != "deaf":
                print(how, flush=True)
            case Cut():
                continue


if __name__ == "__main__":
    main("".join(sys.argv[1:]))
