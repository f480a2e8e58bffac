"""What came in and was applied once: the window of client calls with their replies, and sends by dense seq.

Pure state; what changed is noted in a `Changes` for the store. Rule: a call's copy finds the first one's answer; a call
that the window can no longer know is never run (after Stripe's keys and TigerBeetle's `id_already_failed`).
"""

import heapq
from collections.abc import Mapping

from msgspec import Struct

from actors.kernel import layout
from actors.kernel.layout import MS, Entry

WINDOW_MS = 600_000
ENTRIES_MAX = 1_000_000
BYTES_MAX = 256 << 20
RECENT_MAX = 32_768
"""So many entries at least stay in memory: six seconds of a busy partition's calls. Where calls come later than that
after they were named, each must be looked up in the store, and whoever is behind already has still more to do."""
REPLY_BYTES_MAX = 4 * 1024
ABOVE_MAX = 4_096


class Changes(Struct):
    """What one frame changed in the store; `swept_seconds` are seconds whose timeless window entries must go."""

    puts: dict[bytes, bytes] = {}
    deletes: set[bytes] = set()
    delete_ranges: list[tuple[bytes, bytes]] = []
    swept_seconds: list[int] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self.puts[key] = value
        self.deletes.discard(key)

    def delete(self, key: bytes) -> None:
        """Forget a key."""
        self.puts.pop(key, None)
        self.deletes.add(key)

    def merge(self, later: "Changes") -> None:
        """Add what a later frame changed."""
        self.delete_ranges += later.delete_ranges
        self.swept_seconds += later.swept_seconds
        self.puts.update(later.puts)
        self.deletes.difference_update(later.puts)
        for key in later.deletes:
            self.delete(key)

    def prune(self) -> None:
        """Drop the puts of window entries that left the window meanwhile; to be called before the changes are written.

        No entry is ever put into a second that left, so once, at the end, is enough.
        """
        if not self.swept_seconds:
            return
        left = set(self.swept_seconds)
        gone = [key for key in self.puts if key.startswith(layout.BY_SECOND) and layout.second_of(key) in left]
        for key in gone:
            del self.puts[key]
        timeless = {layout.swept(key) for key in gone if key.startswith(layout.TIMELESS_BY_TIME)}
        timeless.difference_update(layout.swept(key) for key in self.puts if key.startswith(layout.TIMELESS_BY_TIME))
        for key in timeless:
            self.puts.pop(key, None)


class Window:
    """The bounded memory of request ids with their replies.

    Entries go by whole seconds of entry time, oldest first; `floor_ms` is the latest time that went. Entries above
    `recent_from_ms` are also in memory, so a fresh id costs no look-up in the store.
    """

    def __init__(self, floor_ms: int, buckets: Mapping[int, tuple[int, int]]) -> None:
        self.floor_ms = floor_ms
        self.buckets = {second: [count, size] for second, (count, size) in buckets.items()}
        self.count = sum(count for count, _ in buckets.values())
        self.size_bytes = sum(size for _, size in buckets.values())
        self._seconds = sorted(buckets)
        self._recent: dict[bytes, bytes] = {}
        """Entries as they are stored: hardly one is ever asked for."""
        self._by_second: dict[int, list[bytes]] = {}
        self._added: dict[int, list[bytes]] = {}
        """The keys of the frame that goes on, by second."""
        self.recent_from_ms = max(floor_ms, (self._seconds[-1] + 1) * MS - 1) if self._seconds else floor_ms

    def recent(self, key: bytes) -> Entry | None:
        """The entry, if it is in memory."""
        entry = self._recent.get(key)
        return None if entry is None else layout.decode_entry(entry)

    def must_load(self, key: bytes, made_ms: int) -> bool:
        """Whether only the store can tell if this call is in the window; `made_ms` is its id's time, -1 for none."""
        if made_ms > self.recent_from_ms or key in self._recent:
            return False
        return made_ms > self.floor_ms if made_ms >= 0 else bool(self.buckets)

    def too_old(self, made_ms: int) -> bool:
        """Whether a call that is absent may have been forgotten."""
        return 0 <= made_ms <= self.floor_ms

    def add(self, key: bytes, entry_ms: int, entry: bytes, changes: Changes, *, timeless: bool) -> None:
        """Remember a call that was decided now."""
        second = entry_ms // MS
        keys = self._added.get(second)
        if keys is None:
            keys = self._added[second] = []
        keys.append(key)
        self._recent[key] = entry
        changes.puts[key] = entry
        if timeless:
            changes.put(layout.sweep_key(entry_ms, key), b"")

    def settle(self, now_ms: int, changes: Changes) -> None:
        """At a frame's end: count what it added, and let the oldest seconds go as far as they must."""
        for second, keys in self._added.items():
            self._count(second, keys, changes.puts)
        oldest_ms = now_ms - WINDOW_MS
        while self._seconds and (
            (self._seconds[0] + 1) * MS <= oldest_ms
            or (len(self._seconds) > 1 and (self.count > ENTRIES_MAX or self.size_bytes > BYTES_MAX))
        ):
            self._drop(heapq.heappop(self._seconds), changes)
        for second in self._added:
            if second in self.buckets:
                changes.put(layout.bucket_key(second), layout.encode(self.buckets[second]))
        self._added.clear()

    def _count(self, second: int, keys: list[bytes], puts: Mapping[bytes, bytes]) -> None:
        bucket = self.buckets.get(second)
        if bucket is None:
            bucket = self.buckets[second] = [0, 0]
            heapq.heappush(self._seconds, second)
        grown = sum(map(len, keys)) + sum(map(len, map(puts.__getitem__, keys)))
        bucket[0] += len(keys)
        bucket[1] += grown
        self.count += len(keys)
        self.size_bytes += grown
        self._by_second.setdefault(second, []).extend(keys)

    def _drop(self, second: int, changes: Changes) -> None:
        count, size = self.buckets.pop(second)
        self.count -= count
        self.size_bytes -= size
        self.floor_ms = max(self.floor_ms, second * MS + MS - 1)
        self.recent_from_ms = max(self.recent_from_ms, self.floor_ms)
        for key in self._by_second.pop(second, ()):
            self._recent.pop(key, None)
        changes.delete_ranges.append(layout.window_range(second))
        changes.swept_seconds.append(second)
        changes.delete(layout.bucket_key(second))

    def forget_recent(self, written: int) -> list[bytes]:
        """Free memory: the oldest seconds beyond `RECENT_MAX` entries, as far as the store is at `written` by now.

        Returns the keys that are in the store alone from now on.
        """
        forgotten: list[bytes] = []
        while len(self._recent) > RECENT_MAX and len(self._by_second) > 1:
            second = min(self._by_second)
            keys = self._by_second[second]
            last = next((self._recent[key] for key in reversed(keys) if key in self._recent), None)
            if last is not None and layout.decode_entry(last).offset > written:
                break
            del self._by_second[second]
            for key in keys:
                self._recent.pop(key, None)
            forgotten += keys
            self.recent_from_ms = max(self.recent_from_ms, second * MS + MS - 1)
        return forgotten


class Sources:
    """Per source partition: the incarnation, the next seq, and seqs received above it (normally none)."""

    def __init__(self, by_partition: dict[int, tuple[int, int, list[int]]]) -> None:
        self.by_partition = by_partition

    def is_new(self, source: int, incarnation: int, seq: int) -> bool:
        """Whether this send has not been applied yet. Sends of a former incarnation never are again."""
        known, next_seq, above = self.by_partition.get(source, (incarnation, 0, []))
        if incarnation != known:
            return incarnation > known
        return seq >= next_seq and seq not in above

    def note(self, source: int, incarnation: int, seq: int) -> None:
        """Remember that this send was applied."""
        known, next_seq, above = self.by_partition.get(source, (incarnation, 0, []))
        if incarnation > known:
            next_seq, above = 0, []
        if seq == next_seq and not above:
            self.by_partition[source] = (incarnation, next_seq + 1, above)
            return
        above = sorted({*above, seq})
        while above and above[0] == next_seq:
            above.pop(0)
            next_seq += 1
        assert len(above) <= ABOVE_MAX, "a sender went beyond its send window"
        self.by_partition[source] = (incarnation, next_seq, above)
