"""What a platform is wished to bear, with how much to spare, and on which machines. What cannot be is refused."""

from msgspec import Struct

from actors.errors import SetupError


class Machine(Struct, frozen=True, kw_only=True):
    """A machine as it is hired; its price is an example and is said with the plan."""

    cores: int = 16
    memory_gib: float = 64.0
    disk_tb: float = 3.8
    network_gbit: float = 10.0
    price_h: float = 0.80


class Wish(Struct, frozen=True, kw_only=True):
    """What the platform must bear, and with how much to spare."""

    peak: float = 10.0
    """The busiest minute against the day's mean, whatever the day's own is."""
    headroom: float = 0.4
    """The part of every processor that is free at the peak."""
    p99_ms: float = 500.0
    failures: int = 1
    """So many machines of each kind may be lost at the peak."""
    path: str = "stream"
    replicas: int = 3
    tls: bool = False
    gather_ms: float = 20.0
    kept_days: float = 3.0
    """So long the log is kept."""
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("peak", self.peak, 1, 1_000),
            ("headroom", self.headroom, 0, 0.95),
            ("p99_ms", self.p99_ms, 1, 600_000),
            ("failures", self.failures, 0, 100),
            ("replicas", self.replicas, 1, 9),
            ("gather_ms", self.gather_ms, 0.1, 10_000),
            ("kept_days", self.kept_days, 0.01, 10_000),
            ("price_h", self.machine.price_h, 0, 10_000),
        ):
            if not least <= value <= most:
                raise SetupError(f"{name} must be {least} to {most}, not {value:g}")
        if self.gather_ms * 2 > self.p99_ms:
            raise SetupError(
                f"calls that are gathered for {self.gather_ms:g} ms are not answered within {self.p99_ms:g} ms: allow "
                "more, or gather for less"
            )
        if self.path not in ("stream", "unary"):
            raise SetupError(f"{self.path!r} is no path; there are stream and unary")
