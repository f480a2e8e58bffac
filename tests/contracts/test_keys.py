"""What every keyring must do, and what one in a folder keeps from others."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.adapters.keyfile import MASTER_FILE
from actors.adapters.keyring import ROOTS_MAX, FileKeys
from actors.adapters.memory_keys import MemoryKeys
from actors.errors import InvalidCommand, NotFound, SetupError
from actors.ports import Keys, KeyState, RootState

HELD_MS = 1_000


def kid_in(keys: Keys, state: KeyState) -> str:
    (kid,) = [key.kid for key in keys.signing_keys() if key.state is state]
    return kid


class KeysContract(ABC):
    """Subclassed once per implementation."""

    @abstractmethod
    def make(self, folder: Path) -> Keys:
        """The implementation under test."""

    @pytest.fixture
    def keys(self, tmp_path: Path) -> Iterator[Keys]:
        keys = self.make(tmp_path)
        yield keys
        keys.close()

    def test_a_new_keyring_has_one_key_that_signs_and_one_that_is_next(self, keys: Keys) -> None:
        assert [key.state for key in keys.signing_keys()] == [KeyState.SIGNING, KeyState.NEXT]

    def test_the_private_half_is_that_of_the_public_one(self, keys: Keys) -> None:
        kid, private = keys.signer()
        (public,) = [key.public for key in keys.signing_keys() if key.kid == kid]
        assert Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == public

    def test_a_private_half_is_there_until_its_key_is_retired(self, keys: Keys) -> None:
        kid, private = keys.signer()
        keys.rotate(1, 0)
        assert keys.private(kid) == private != keys.private(keys.signer()[0])
        keys.retire(kid, 2, 0)
        assert keys.private(kid) is None
        assert keys.private("no-such") is None

    def test_a_rotation_signs_with_what_was_next_and_makes_another(self, keys: Keys) -> None:
        first, following = keys.signer()[0], kid_in(keys, KeyState.NEXT)
        assert keys.rotate(5, 0) == following == keys.signer()[0]
        assert kid_in(keys, KeyState.VERIFYING) == first
        assert kid_in(keys, KeyState.NEXT) not in (first, following)
        assert [key.changed_ms for key in keys.signing_keys()] == [5, 5, 5]

    def test_a_second_rotation_before_everybody_knows_the_next_key_is_refused_and_changes_nothing(
        self, keys: Keys
    ) -> None:
        keys.rotate(5_000, 1_000)
        before = keys.signing_keys()
        for now_ms in (5_000, 5_999):
            with pytest.raises(InvalidCommand, match="not every gateway knows") as refused:
                keys.rotate(now_ms, 1_000)
            assert refused.value.reason == "KEYS_JUST_ROTATED"
        assert keys.signing_keys() == before
        following = kid_in(keys, KeyState.NEXT)
        assert keys.rotate(6_000, 1_000) == following
        assert keys.rotate(10, 1_000) == keys.signer()[0], "a clock that was set back keeps nobody from it for ever"

    def test_a_new_keyring_has_one_root_key_which_a_rotation_of_signing_keys_does_not_change(self, keys: Keys) -> None:
        kid, root = keys.root()
        assert (len(kid), len(root)) == (16, 32)
        keys.rotate(5, 0)
        assert (keys.root(), [key.state for key in keys.roots()]) == ((kid, root), [RootState.CURRENT])

    def test_a_rotation_makes_another_root_key_and_the_former_stays(self, keys: Keys) -> None:
        (first, secret), names = keys.root(), keys.names()
        second = keys.rotate_root(7)
        assert (keys.root()[0], keys.root_of(first)) == (second, secret)
        assert [(key.kid, key.state) for key in keys.roots()] == [
            (first, RootState.FORMER),
            (second, RootState.CURRENT),
        ]
        assert [key.changed_ms for key in keys.roots()] == [7, 7]
        assert keys.root_of(second) == keys.root()[1] != secret
        assert keys.names() == names

    def test_a_retired_root_key_is_gone_and_what_names_follow_from_stays(self, keys: Keys) -> None:
        first, names = keys.root()[0], keys.names()
        with pytest.raises(InvalidCommand, match="rotate first") as refused:
            keys.retire_root(first, 6)
        assert refused.value.reason == "ROOT_KEY_IN_USE"
        second = keys.rotate_root(7)
        for now_ms in (8, 9):
            keys.retire_root(first, now_ms)
        assert [(key.state, key.changed_ms) for key in keys.roots()] == [(RootState.RETIRED, 8), (RootState.CURRENT, 7)]
        assert (keys.root_of(first), keys.root()[0], keys.names()) == (None, second, names)
        for kid in ("no-such", ""):
            with pytest.raises(NotFound, match="there is no key"):
                keys.retire_root(kid, 9)

    def test_so_many_root_keys_are_in_use_at_a_time(self, keys: Keys) -> None:
        for now_ms in range(1, ROOTS_MAX):
            keys.rotate_root(now_ms)
        before = keys.roots()
        with pytest.raises(InvalidCommand, match="retire one of them") as refused:
            keys.rotate_root(50)
        assert (refused.value.reason, keys.roots()) == ("ROOT_KEYS_MAX", before)
        keys.retire_root(before[3].kid, 51)
        keys.rotate_root(52)

    def test_a_key_that_signs_or_is_next_cannot_be_retired(self, keys: Keys) -> None:
        before = keys.signing_keys()
        for key in before:
            with pytest.raises(InvalidCommand, match="rotate first") as refused:
                keys.retire(key.kid, 10**15, 0)
            assert refused.value.reason == "KEY_IN_USE"
        assert keys.signing_keys() == before

    def test_a_key_is_held_as_long_as_what_it_signed_may_be_good(self, keys: Keys) -> None:
        former = keys.signer()[0]
        keys.rotate(5_000, 0)
        with pytest.raises(InvalidCommand, match="may be good") as refused:
            keys.retire(former, 5_000 + HELD_MS - 1, HELD_MS)
        assert refused.value.reason == "KEY_IN_USE"
        keys.retire(former, 5_000 + HELD_MS, HELD_MS)
        assert kid_in(keys, KeyState.RETIRED) == former

    def test_retiring_again_changes_nothing(self, keys: Keys) -> None:
        former = keys.signer()[0]
        keys.rotate(1, 0)
        keys.retire(former, 2, 0)
        before = keys.signing_keys()
        keys.retire(former, 9, 0)
        assert keys.signing_keys() == before

    def test_a_key_that_is_not_there_is_named(self, keys: Keys) -> None:
        with pytest.raises(NotFound, match="no-such") as refused:
            keys.retire("no-such", 1, 0)
        assert refused.value.reason == "NO_SUCH_KEY"

    @pytest.mark.parametrize("steps", [f"{number:05b}" for number in range(0, 32, 3)])
    def test_there_is_always_one_that_signs_and_one_that_is_next(self, keys: Keys, steps: str) -> None:
        for number, step in enumerate(steps):
            former = [key.kid for key in keys.signing_keys() if key.state is KeyState.VERIFYING]
            if step == "1" or not former:
                keys.rotate(number, 0)
            else:
                keys.retire(former[0], number, 0)
            states = [key.state for key in keys.signing_keys()]
            assert (states.count(KeyState.SIGNING), states.count(KeyState.NEXT)) == (1, 1)
            assert len({key.kid for key in keys.signing_keys()}) == len(states)


class TestMemoryKeys(KeysContract):
    def make(self, folder: Path) -> Keys:
        del folder
        return MemoryKeys()


class TestFileKeys(KeysContract):
    def make(self, folder: Path) -> Keys:
        return FileKeys(folder)

    def test_it_is_as_it_was_after_it_was_opened_again_and_by_two_at_once(self, tmp_path: Path) -> None:
        first, second = FileKeys(tmp_path), FileKeys(tmp_path)
        assert (first.signer(), first.root()) == (second.signer(), second.root())
        first.rotate(7, 0)
        first.rotate_root(7)
        assert (second.signer(), second.root()) == (first.signer(), first.root())
        assert (second.roots(), second.names()) == (first.roots(), first.names())
        assert second.signing_keys() == first.signing_keys()
        first.close()
        assert FileKeys(tmp_path).signer() == second.signer()

    def test_processes_that_open_a_new_one_at_once_have_one_keyring(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(FileKeys, [tmp_path] * 8))
        assert len({(keys.signer(), keys.root()) for keys in opened}) == 1
        assert len(opened[0].signing_keys()) == 2

    def test_files_are_for_their_owners_eyes_and_hold_no_private_half_in_the_clear(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path)
        private, root, names = keys.signer()[1], keys.root()[1], keys.names()
        keys.rotate(1, 0)
        keys.rotate_root(1)
        files = list(tmp_path.iterdir())
        assert {MASTER_FILE, "keys.db"} <= {file.name for file in files}
        for file in files:
            assert not file.stat().st_mode & 0o077, file.name
            assert private not in file.read_bytes(), file.name
            assert root not in file.read_bytes(), file.name
            assert names not in file.read_bytes(), file.name

    def test_a_retired_private_half_is_gone_from_the_files_wrapped_or_not(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path)
        kid = keys.signer()[0]
        database: Any = apsw.Connection(str(tmp_path / "keys.db"))
        ((wrapped,),) = list(database.execute("SELECT private FROM signing WHERE kid = ?", (kid,)))
        database.close()
        assert any(wrapped in file.read_bytes() for file in tmp_path.iterdir())
        keys.rotate(1, 0)
        keys.retire(kid, 2, 0)
        assert not [file.name for file in tmp_path.iterdir() if wrapped in file.read_bytes()]

    def test_a_retired_root_key_is_gone_from_the_files_wrapped_or_not(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path)
        kid = keys.root()[0]
        database: Any = apsw.Connection(str(tmp_path / "keys.db"))
        ((wrapped,),) = list(database.execute("SELECT secret FROM roots WHERE kid = ?", (kid,)))
        database.close()
        assert any(wrapped in file.read_bytes() for file in tmp_path.iterdir())
        keys.rotate_root(1)
        keys.retire_root(kid, 2)
        assert not [file.name for file in tmp_path.iterdir() if wrapped in file.read_bytes()]

    def test_one_that_was_made_without_a_root_key_is_given_one(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        database: Any = apsw.Connection(str(tmp_path / "keys.db"))
        database.execute("DROP TABLE roots")
        database.execute("DROP TABLE names")
        database.close()
        keys = FileKeys(tmp_path)
        assert len(keys.root()[1]) == 32
        assert FileKeys(tmp_path).root() == keys.root()

    def test_a_master_key_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        (tmp_path / MASTER_FILE).chmod(0o640)
        with pytest.raises(SetupError, match="chmod 600") as refused:
            FileKeys(tmp_path)
        assert refused.value.reason == "MASTER_KEY_OPEN"

    def test_another_master_key_opens_nothing(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        (tmp_path / MASTER_FILE).write_bytes(b"x" * 32)
        with pytest.raises(SetupError, match="not the master key") as refused:
            FileKeys(tmp_path)
        assert refused.value.reason == "KEYRING_LOCKED"

    def test_a_missing_or_cut_master_key_is_never_made_anew(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        (tmp_path / MASTER_FILE).write_bytes(b"x")
        with pytest.raises(SetupError, match="1 bytes"):
            FileKeys(tmp_path)
        (tmp_path / MASTER_FILE).unlink()
        with pytest.raises(SetupError, match="missing"):
            FileKeys(tmp_path)
        assert not (tmp_path / MASTER_FILE).exists()

    def test_a_file_that_is_no_keyring_is_named(self, tmp_path: Path) -> None:
        FileKeys(tmp_path).close()
        for file in tmp_path.glob("keys.db*"):
            file.unlink()
        (tmp_path / "keys.db").write_bytes(b"not a database at all" * 100)
        with pytest.raises(SetupError, match=r"keys\.db") as refused:
            FileKeys(tmp_path)
        assert refused.value.reason == "KEYRING"
