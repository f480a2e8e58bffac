"""What goes wrong in a world. Each seed draws its own mixture: faults that always come together hide each other."""

from random import Random

from msgspec import Struct


class Faults(Struct):
    """How often each thing goes wrong: rates are per append, message or poll; the rest are events on the calendar."""

    append_lost: float = 0.0
    append_unknown: float = 0.0
    append_late: float = 0.0
    append_twice: float = 0.0
    append_slow: float = 0.0
    poll_repeats: float = 0.0
    poll_stale: float = 0.0
    host_crashes: int = 0
    zombies: int = 0
    moves: int = 0
    controller_restarts: int = 0
    gateway_crashes: int = 0
    link_drops: int = 0
    stores_lost: int = 0
    clock_jumps: int = 0
    leaps: int = 0
    crowded: bool = False

    @property
    def events(self) -> list[str]:
        """The names of what is to happen at some time, each as often as it shall."""
        return [name for name in _TIMES_MAX for _ in range(getattr(self, name))]


_RATES_MAX = {
    "append_lost": 0.15,
    "append_unknown": 0.15,
    "append_late": 0.10,
    "append_twice": 0.15,
    "append_slow": 0.10,
    "poll_repeats": 0.20,
    "poll_stale": 0.30,
}
_TIMES_MAX = {
    "host_crashes": 4,
    "zombies": 2,
    "moves": 3,
    "controller_restarts": 2,
    "gateway_crashes": 2,
    "link_drops": 5,
    "stores_lost": 2,
    "clock_jumps": 3,
    "leaps": 1,
}


def draw(chance: Random) -> Faults:
    """A mixture: each kind is absent half the time."""
    faults = Faults(crowded=chance.random() < 0.5)
    for name, rate_max in _RATES_MAX.items():
        if chance.random() < 0.5:
            setattr(faults, name, chance.random() * rate_max)
    for name, times_max in _TIMES_MAX.items():
        if chance.random() < 0.5:
            setattr(faults, name, chance.randint(1, times_max))
    return faults
