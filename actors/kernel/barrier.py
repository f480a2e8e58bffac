"""Releases: the version of the rules that a partition is decided by, and the frame that raises it.

The first frame of a higher release is the barrier. A host without that release stops before it; old commands are
never replayed under new rules (Restate's version barrier; TigerBeetle: one version of code per operation).
"""

from enum import Enum

from actors.kernel.record import Frame


class Crossing(Enum):
    """What a frame asks of a host at the barrier."""

    NONE = "apply it under the partition's release"
    RAISE = "this host has the new release: the partition's release is the frame's from here on"
    STOP = "this host has not: snapshot just before the frame, and stop"


def crossing(frame: Frame, partition_release: int, host_release: int) -> Crossing:
    """What to do with a frame. Frames of release 0 carry none; late frames of a lower one are decided by today's."""
    if frame.release <= partition_release:
        return Crossing.NONE
    return Crossing.RAISE if frame.release <= host_release else Crossing.STOP
