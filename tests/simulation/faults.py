"""What goes wrong in a world. Each seed draws its own mixture: faults that always come together hide each other."""

from collections.abc import Iterator
from random import Random

from msgspec import Struct, structs


class Faults(Struct, frozen=True):
    """How often each thing goes wrong: rates are per append, poll, message, … ; whole numbers are events in time."""

    append_lost: float = 0.0
    append_unknown: float = 0.0
    append_late: float = 0.0
    append_twice: float = 0.0
    append_slow: float = 0.0
    poll_repeats: float = 0.0
    poll_stale: float = 0.0
    frame_torn: float = 0.0
    message_lost: float = 0.0
    message_late: float = 0.0
    message_twice: float = 0.0
    message_overtakes: float = 0.0
    crash_at_work: float = 0.0
    disk_slow: float = 0.0
    snapshot_torn: float = 0.0
    snapshot_lost: float = 0.0
    snapshot_half: float = 0.0
    host_crashes: int = 0
    host_stops: int = 0
    zombies: int = 0
    moves: int = 0
    controller_restarts: int = 0
    gateway_crashes: int = 0
    link_drops: int = 0
    link_clogs: int = 0
    log_away: int = 0
    tail_lost: int = 0
    stores_lost: int = 0
    fires_astray: int = 0
    checks_astray: int = 0
    clock_jumps: int = 0
    leaps: int = 0
    switches: int = 0
    crowded: bool = False

    @property
    def events(self) -> list[str]:
        """The names of what is to happen at some time, each as often as it shall."""
        return [name for name in _TIMES_MAX for _ in range(getattr(self, name))]

    def milder(self) -> Iterator["Faults"]:
        """Each mixture with one kind less, then with fewer of one kind."""
        present = [name for name in self.__struct_fields__ if getattr(self, name)]
        for name in present:
            yield structs.replace(self, **{name: type(getattr(self, name))()})
        for name in present:
            times = getattr(self, name)
            if type(times) is int and times > 1:
                yield structs.replace(self, **{name: times // 2})

    def told(self) -> str:
        """As one writes it, without what does not happen."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return f"Faults({', '.join(f'{name}={value!r}' for name, value in fields.items() if value)})"


CALM = Faults()
_RATES_MAX = {
    "append_lost": 0.15,
    "append_unknown": 0.15,
    "append_late": 0.10,
    "append_twice": 0.15,
    "append_slow": 0.10,
    "poll_repeats": 0.20,
    "poll_stale": 0.30,
    "frame_torn": 0.01,
    "message_lost": 0.01,
    "message_late": 0.10,
    "message_twice": 0.10,
    "message_overtakes": 0.20,
    "crash_at_work": 0.003,
    "disk_slow": 0.15,
    "snapshot_torn": 0.40,
    "snapshot_lost": 0.40,
    "snapshot_half": 0.20,
}
_TIMES_MAX = {
    "host_crashes": 4,
    "host_stops": 2,
    "zombies": 2,
    "moves": 3,
    "controller_restarts": 2,
    "gateway_crashes": 2,
    "link_drops": 5,
    "link_clogs": 2,
    "log_away": 2,
    "tail_lost": 4,
    "stores_lost": 4,
    "fires_astray": 3,
    "checks_astray": 3,
    "clock_jumps": 3,
    "leaps": 1,
    "switches": 3,
}


def draw(chance: Random) -> Faults:
    """A mixture: each kind is absent half the time."""
    faults = Faults(crowded=chance.random() < 0.5)
    rates = {name: chance.random() * most for name, most in _RATES_MAX.items() if chance.random() < 0.5}
    times = {name: chance.randint(1, most) for name, most in _TIMES_MAX.items() if chance.random() < 0.5}
    return structs.replace(faults, **rates, **times)
