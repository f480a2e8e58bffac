"""The names of a call's steps: a service that asks several entities gives each question an id made from the call's."""

import hashlib

CALL_STEPS_MAX = 8
"""A call takes no more steps than this: whoever looks for them knows where to end."""


def step_id(request_id: bytes, n: int) -> bytes:
    """The id of the call's n-th step, the same whoever makes it; step 0 goes by the call's own.

    Time, version and variant of the UUID are kept, so a step is recognised as long as its call is, and is found
    where its call is.
    """
    assert 0 <= n < CALL_STEPS_MAX
    if n == 0:
        return request_id
    made = bytearray(request_id[:6] + hashlib.blake2b(bytes((n, *request_id)), digest_size=10).digest())
    made[6] = request_id[6] & 0xF0 | made[6] & 0x0F
    made[8] = request_id[8] & 0xC0 | made[8] & 0x3F
    return bytes(made)
