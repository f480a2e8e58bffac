"""The store's keys and values."""

import msgspec
import pytest

from actors.kernel import layout
from actors.kernel.layout import Stored, Timer


@pytest.mark.parametrize("release", [0, 1, 300, 70_000])
@pytest.mark.parametrize("timers", [{}, {"look": Timer(7, 1_700_000_000_000, b"command")}])
def test_a_stored_entity_is_put_together_as_it_would_be_encoded(release: int, timers: dict[str, Timer]) -> None:
    state = layout.encode({"left": 3})
    stored = layout.stored_head(release) + state + layout.encode_timers(timers)
    assert stored == layout.encode(Stored(release, msgspec.Raw(state), timers))
    assert layout.decode_stored(stored).timers == timers
