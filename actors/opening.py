"""Whether a host may go on from the states that its store holds. Pure."""

from actors.kernel.layout import Meta


def unusable(meta: Meta, topic_id: str, host_release: int) -> str:
    """Why it may not, or "" when it may."""
    if meta.topic_id != topic_id:
        return "the commands topic was made anew since these states were written"
    if meta.release > host_release:
        return (
            f"these states were written under release {meta.release}, this host has release {host_release}: an older "
            "release does not read a newer one's states. Start hosts of the newer release."
        )
    return ""
