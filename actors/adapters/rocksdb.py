"""States in RocksDB, one database per partition; it knows nothing of what the keys and values mean.

Every write goes to the write-ahead log without fsync: it survives the end of the process, not a power cut. After a
power cut the host finds the watermark of the store beyond or beside the log and takes a snapshot instead.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DataBlockIndexType,
    DbClosedError,
    DBCompressionType,
    Env,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

from actors.errors import Corrupt, PlatformError, SetupError, Unavailable
from actors.ports import Batch

SHARED_CACHE_BYTES_DEFAULT = 64 << 20
WRITE_BUFFERS_BYTES_DEFAULT = 64 << 20
_WRITE_BUFFER_BYTES = 8 << 20
_YOUNG_FILES = 8
"""So many files of fresh writes are merged at a time with what was there before: states are changed all over, so each
merge reads and writes nearly all of that. With half of both bounds it took a seventh of a busy host.
"""
_FILE_BYTES = 16 << 20
_LEVEL_BYTES = 64 << 20
_FRESH_FILTER = 0.05
"""How much of the room for fresh writes it takes."""
_TOLD_BYTES = 128 << 10
_MANIFEST_BYTES = 1 << 20
_BLOOM_BITS_PER_KEY = 10
# Below 6 the layout is one that every RocksDB of the last years reads, so that a store outlives an upgrade both ways.
_TABLE_FORMAT = 5


class RocksStates:
    """Opens stores that share one block cache and one bound on what is not flushed yet."""

    def __init__(
        self,
        shared_cache_bytes: int = SHARED_CACHE_BYTES_DEFAULT,
        write_buffers_bytes_max: int = WRITE_BUFFERS_BYTES_DEFAULT,
    ) -> None:
        self._cache = Cache(shared_cache_bytes)
        self._write_buffers = WriteBufferManager(write_buffers_bytes_max, allow_stall=False)
        # Its threads begin here, and not with the first merge: a thread may run where whoever began it may, and
        # whoever writes may keep a processor of its own (`hosting/cores.py`), which a merge takes half of.
        env = Env()
        env.set_low_priority_background_threads(1)
        env.set_high_priority_background_threads(1)

    def open(self, folder: Path) -> "RocksStore":
        """Open or make the store in this folder; see `States.open`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            had_tables = any(folder.glob("*.sst"))
            rdict = Rdict(str(folder), self._options())
        except Exception as error:
            raise _explained(error, folder, "open") from error
        if had_tables and rdict.latest_sequence_number() == 0:
            # A length that was changed in the manifest looks to RocksDB like its end: it opens with nothing in it.
            rdict.close()
            raise _damaged(folder, "its manifest no longer names the tables that are there")
        return RocksStore(rdict, folder)

    def follow(self, folder: Path, beside: Path) -> "RocksStore":
        """The store in this folder as it is now, to be read only, while another process goes on writing it.

        Nothing is written into `folder`; what has to be noted goes to `beside`. Raises Corrupt.
        """
        try:
            beside.mkdir(parents=True, exist_ok=True)
            access = AccessType.secondary(str(beside))
            return RocksStore(Rdict(str(folder), self._options(), access_type=access), folder)
        except Exception as error:
            raise _explained(error, folder, "open") from error

    def _options(self) -> Options:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_manager(self._write_buffers)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(3)
        # What is asked for most is new, and so not there: a filter says so without a search through fresh writes.
        options.set_memtable_prefix_bloom_ratio(_FRESH_FILTER)
        options.set_memtable_whole_key_filtering(True)
        options.set_level_zero_file_num_compaction_trigger(_YOUNG_FILES)
        options.set_target_file_size_base(_FILE_BYTES)
        options.set_max_bytes_for_level_base(_LEVEL_BYTES)
        options.set_max_background_jobs(2)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_paranoid_checks(True)
        # Nobody reads the statistics; collecting them would wake an idle process.
        options.set_stats_dump_period_sec(0)
        options.set_stats_persist_period_sec(0)
        # What RocksDB tells of itself, and its list of tables, which it would let grow to a gigabyte.
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(_TOLD_BYTES)
        options.set_max_manifest_file_size(_MANIFEST_BYTES)
        options.set_block_based_table_factory(self._tables())
        return options

    def _tables(self) -> BlockBasedOptions:
        tables = BlockBasedOptions()
        tables.set_block_cache(self._cache)
        tables.set_format_version(_TABLE_FORMAT)
        tables.set_bloom_filter(_BLOOM_BITS_PER_KEY, False)
        tables.set_data_block_index_type(DataBlockIndexType.binary_and_hash())
        # Filters and indexes are counted into the cache: memory stays within one bound whatever the stores hold.
        tables.set_cache_index_and_filter_blocks(True)
        tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
        return tables


class RocksStore:
    """One open database. See `Store` for the contract of each method."""

    def __init__(self, rdict: Rdict, folder: Path) -> None:
        self._rdict = rdict
        self._folder = folder

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, None where there is none."""
        try:
            return self._rdict.get(list(keys)) or []
        except Exception as error:
            raise _explained(error, self._folder, "read") from error

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, in order."""
        pairs: list[tuple[bytes, bytes]] = []
        if start >= end or limit <= 0:
            return pairs
        try:
            bounds = ReadOptions()
            bounds.set_iterate_upper_bound(end)
            cursor = self._rdict.iter(bounds)
            cursor.seek(start)
            while len(pairs) < limit and cursor.valid():
                pairs.append((cursor.key(), cursor.value()))
                cursor.next()
            cursor.status()
        except Exception as error:
            raise _explained(error, self._folder, "read") from error
        return pairs

    def write(self, batch: Batch) -> None:
        """Write the batch atomically: ranges, then puts, then deletes."""
        try:
            parts = WriteBatch(raw_mode=True)
            for start, end in batch.delete_ranges:
                if start < end:
                    parts.delete_range(start, end)
            put, puts = parts.put, batch.puts
            for key in sorted(puts):  # what stands next to what came before it is put there without a look from the top
                put(key, puts[key])
            for key in batch.deletes:
                parts.delete(key)
            self._rdict.write(parts)
        except Exception as error:
            raise _explained(error, self._folder, "write") from error

    def checkpoint(self, folder: Path) -> None:
        """Copy by hard links: what is not flushed yet is flushed, every other file costs one directory entry."""
        assert not folder.exists(), f"a checkpoint needs a fresh folder, {folder} exists"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            Checkpoint(self._rdict).create_checkpoint(str(folder))
        except Exception as error:
            raise _explained(error, folder, "write") from error

    def close(self) -> None:
        """Flush nothing, free the lock: what was written is in the write-ahead log."""
        # When a compaction has met damage, this says so; it is closed all the same, and who reads it next is told.
        with suppress(Exception):
            self._rdict.close()


def _explained(error: Exception, folder: Path, doing: str) -> PlatformError:
    """The library raises bare exceptions: their text is all there is to tell them apart by."""
    assert not isinstance(error, DbClosedError), f"the store in {folder} was used after it was closed"
    text = str(error)
    if "Resource temporarily unavailable" in text or "lock hold by current process" in text:
        return Unavailable(
            f"the store in {folder} is held by another process. It is free once that process has ended; "
            f"end it, or take a snapshot into another folder. ({text})",
            outcome="NOT_APPENDED",
        )
    if "Corruption" in text or "does not match" in text or ("No such file" in text and folder.exists()):
        return _damaged(folder, text)
    if isinstance(error, OSError) or "IO error" in text:
        return SetupError(
            f"cannot {doing} the store in {folder}: {text}. Make the folder writable and free space on its disk, "
            "then start again; nothing that was acknowledged is lost.",
            reason="STORE_NOT_USABLE",
        )
    return SetupError(f"cannot {doing} the store in {folder}: {text}", reason="STORE_NOT_USABLE")


def _damaged(folder: Path, why: str) -> Corrupt:
    return Corrupt(
        f"the store in {folder} is damaged: {why}. Move the folder away; "
        "the partition is then rebuilt from its newest snapshot and the log.",
        position=str(folder),
    )
