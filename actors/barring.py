"""What must not be decided here: frames that were decided by other rules than this host's. Pure."""

from actors.kernel.layout import Meta
from actors.kernel.record import Frame
from actors.kernel.rules import Rules


def other_rules(frame: Frame, meta: Meta, rules: Rules) -> str:
    """Why a frame above these states is not for this host, or "" when it is.

    A frame is decided under its own release or, when it comes late, under the partition's. What the states do not hold
    of it is decided again where they are opened: by other rules that would be another history. Frames of release 0
    carry none; rules without a digest are nobody's in particular.
    """
    if not frame.release:
        return ""
    late = frame.release <= meta.release
    release, digest = (meta.release, meta.digest) if late else (frame.release, frame.digest)
    if not digest or not rules.digest or digest == rules.digest:
        return ""
    return (
        f"OTHER_RULES: release {release} decided this frame and its results are not in the states; this host has "
        f"release {rules.release}, whose rules differ ({rules.digest}, not {digest}). Start the former version once in "
        "this folder and stop it cleanly, so that it writes what it decided; then start this one."
    )
