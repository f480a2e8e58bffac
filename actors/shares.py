"""Who gets the new version while it is shown to a part: the same arithmetic wherever it is asked. Pure."""

import zlib

WHOLE = 10_000
"""Shares are parts of this."""


def bucket_of(program: str, code: int, key: str) -> int:
    """The bucket of a key for one version of a program, 0 to 9,999; it has it while its bucket is below the share.

    It does not depend on the share: who has a version keeps it while the share grows.
    """
    return zlib.crc32(f"{program}|{code}|{key}".encode()) % WHOLE
