"""The registry: programs are found, checked and addressed, and what is wrong with one says where and why."""

import ast
import gc
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound, SetupError
from actors.registry import Registry, load_programs, programs_in, shipped_programs

VOUCHER = Path(__file__).parent / "voucher"
MANIFEST = (VOUCHER / "manifest.json").read_text()
PROGRAM = (VOUCHER / "program.py").read_text()


def folder(tmp_path: Path, program: str = PROGRAM, manifest: str = MANIFEST, name: str = "voucher") -> Path:
    place = tmp_path / name
    place.mkdir()
    (place / "program.py").write_text(program)
    (place / "manifest.json").write_text(manifest)
    return place


class Parsing:
    """Garbage whose end parses something, as the report of an exception that nobody fetched does."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        ast.parse("x = [1, 2, (3, 4)]")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_programs([*shipped_programs(), VOUCHER])


def test_the_programs_that_ship_are_found_beside_the_platforms_own_entities(registry: Registry) -> None:
    assert {"bike", "shop", "voucher"} <= set(registry.programs)
    assert set(registry.programs) - {"voucher"} == {folder.name for folder in shipped_programs()}
    assert {"session", "merchant", "bike.station", "bike.rider", "shop", "shop.customer"} < set(registry.entities)


def test_a_program_is_loaded_while_garbage_is_collected_that_parses_too() -> None:
    gc.collect()
    for _ in range(20):
        Parsing()
    large = next(folder for folder in shipped_programs() if folder.name == "taxi")
    assert set(load_programs([large]).programs) == {"taxi"}


@pytest.mark.parametrize(
    ("name", "kind", "entity_id"),
    [
        ("programs/bike/stations/42", "bike.station", "42"),
        ("programs/shop/shops/m42", "shop", "m42"),
        ("programs/shop/skus/m42/21733", "shop.sku", "m42/21733"),
        ("programs/voucher/vouchers/Größe 7", "voucher", "Größe 7"),
        ("sessions/s1", "session", "s1"),
        ("merchants/programs", "merchant", "programs"),
    ],
)
def test_a_resource_name_leads_to_its_entity_and_back(registry: Registry, name: str, kind: str, entity_id: str) -> None:
    entity, found = registry.entity_of(name)
    assert (entity.kind, found) == (kind, entity_id)
    assert registry.name_of(f"{kind}/{entity_id}") == name
    assert registry.entity_at(Ref(kind, entity_id)) is entity


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("programs/bik/stations/1", "no program 'bik'; there are bike, "),
        ("programs/bike/station/1", "there are riders, stations"),
        ("session/1", ", and programs/<program>/<collection>/<id>"),
        ("programs", "merchants, "),
        ("", "merchants, "),
    ],
)
def test_an_unknown_name_says_what_there_is(registry: Registry, name: str, message: str) -> None:
    with pytest.raises(NotFound) as error:
        registry.entity_of(name)
    assert message in str(error.value)


@pytest.mark.parametrize("entity_id", ["", "a\nb", "a\x00", "\x7f", "\x85", "x" * 201, "ü" * 128, "a//b", "/a", "a/"])
def test_an_id_that_cannot_be_is_refused(registry: Registry, entity_id: str) -> None:
    with pytest.raises(InvalidCommand) as error:
        registry.entity_of(f"sessions/{entity_id}")
    assert error.value.field == "entity"
    with pytest.raises(InvalidCommand) as of_address:
        registry.entity_at(Ref("session", entity_id))
    assert str(of_address.value) == str(error.value)


def test_the_name_of_an_unknown_kind_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match="no kind 'bike'"):
        registry.name_of("bike/1")
    with pytest.raises(NotFound, match="no kind 'bike'"):
        registry.entity_at(Ref("bike", "1"))


def test_the_digest_names_the_rules_and_nothing_else(tmp_path: Path) -> None:
    place = folder(tmp_path)
    first = load_programs([place])
    assert load_programs([VOUCHER]).digest == first.digest
    (place / "manifest.json").write_text(MANIFEST.replace("1.0.0", "1.0.1"))
    assert load_programs([place]).digest == first.digest
    (place / "program.py").write_text(PROGRAM.replace("left: int = 100", "left: int = 101"))
    second = load_programs([place])
    assert second.digest != first.digest
    assert load_programs([]).digest not in (first.digest, second.digest)


def test_a_changed_program_is_loaded_anew_and_the_old_one_stays_what_it_was(tmp_path: Path) -> None:
    place = folder(tmp_path)
    before = load_programs([place]).entities["voucher"]
    (place / "program.py").write_text(PROGRAM.replace("left: int = 100", "left: int = 101"))
    after = load_programs([place]).entities["voucher"]
    assert (before.views, before.initial.left, after.initial.left) == ({}, 100, 101)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ENTITIES = (VOUCHER,)", "", "must end with a tuple of its entities"),
        ("ENTITIES = (VOUCHER,)", "ENTITIES = (7,)", "7 in ENTITIES is not an Entity"),
        ("ENTITIES = (VOUCHER,)", "ENTITIES = (VOUCHER, VOUCHER)", "the kind 'voucher' is there twice"),
        ('Entity("voucher"', 'Entity("coupon"', "the kind 'coupon' is not of this program"),
        ('Entity("voucher"', 'Entity("voucher.Big"', "a kind is lower-case letters"),
        ('tag="voucher.claim"', "tag=True", "write the command Claim's tag out, as in tag='voucher.claim'"),
        ('tag="voucher.claimed"', 'tag="claimed"', "write the event Claimed's tag out"),
        ('tag="voucher.claimed"', 'tag="voucher.claim"', "the tag 'voucher.claim' of voucher is also one of voucher"),
        (", Claim, Claimed,", ", int, Claimed,", "its command must be a msgspec Struct or a union of them"),
        ("Claim(Struct, frozen=True,", "Claim(Struct,", "Claim must be frozen=True"),
        ("Claim(Struct, frozen=True,", "Claim(Struct, frozen=True, array_like=True,", "Claim is array_like"),
        ("user_id: str\n\n", "user_id: set[str]\n\n", "Claim holds a set"),
        ("user_id: str\n\n", "user_id: complex\n\n", "Claim holds a Custom"),
        ("Voucher(), Claim", "Voucher(left='x'), Claim", "the initial state Voucher cannot be stored"),
        ("from msgspec import Struct", "import time\nfrom msgspec import Struct", "line 3: time is not for programs"),
        (
            "from msgspec import Struct",
            "from apsw import Connection\nfrom msgspec import Struct",
            'line 3: apsw is no library that every program may import; list it in manifest.json, as in "imports": [',
        ),
        ("raise Reject", "print(hash('x'))\n        raise Reject", "hash() is not for programs"),
        ("from msgspec import Struct", "from . import other", "a program is one file"),
        ("from msgspec import Struct", "from msgspec import Strict", "line 3: ImportError"),
        ("from msgspec import Struct", "from msgspec import Struct\nraise SystemExit(3)", "line 4: SystemExit: 3"),
        ("def decide(", "def decide(:", "line 23: SyntaxError: invalid syntax"),
    ],
)
def test_what_is_wrong_with_a_program_says_where_and_why(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PROGRAM
    place = folder(tmp_path, PROGRAM.replace(old, new, 1))
    with pytest.raises(SetupError) as error:
        load_programs([place])
    assert message in str(error.value)
    assert str(place) in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"app_id": "voucher"', '"app_id": "Voucher"', "beginning with a letter - at `$.app_id`"),
        ('"name": "Voucher"', '"name": ""', "a program has a name - at `$.name`"),
        ('"app_id": "voucher"', '"app_id": 7', "Expected `str`, got `int` - at `$.app_id`"),
        ('"app_id": "voucher",', "", "missing required field `app_id` - at `$.app_id`"),
        ('"code": 1},\n  "platform', '"cod": 1},\n  "platform', "unknown field `cod` - at `$.version.cod`"),
        ('"min_code": 1', '"min_code": 2', "needs platform 2; this one is 1 - at `$.platform_version.min_code`"),
        ('"min_code": 1', '"min_code": -1', "- at `$.platform_version.min_code`"),
        ('"src": "', '"src": "", "label": "', "- at `$.icons[0].src`"),
        ('["pages/claim/index"]', "[]", "1 to 256 pages - at `$.pages`"),
        ('["pages/claim/index"]', '["a", "b", "a"]', "'a' is listed twice - at `$.pages[2]`"),
        *(
            ('["pages/claim/index"]', f'["a", "{page}"]', "such as pages/map/index - at `$.pages[1]`")
            for page in ("", "/a", "a/", "a//b", "../a", "a/../b", "a?b", "a#b", "a b", "x" * 257)
        ),
        ('["pages/claim/index"]', '["a"], "imports": "apsw"', "Expected `array`, got `str` - at `$.imports`"),
        ('["pages/claim/index"]', '["a"], "imports": ["apsw", 7]', "Expected `str`, got `int` - at `$.imports[1]`"),
        (
            '["pages/claim/index"]',
            '["a"], "imports": ["apsw.ext"]',
            "not the top-level name of a library - at `$.imports[0]`",
        ),
        ('["pages/claim/index"]', '["a"], "imports": ["apsw", "apsw"]', "'apsw' is listed twice - at `$.imports[1]`"),
        ('["pages/claim/index"]', f'["a"], "imports": {["m"] * 33}'.replace("'", '"'), "has 33 imports; at most 32"),
        (
            '["pages/claim/index"]',
            '["a"], "imports": ["time"]',
            "'time' is not for programs, listed or not - at `$.imports[0]`",
        ),
        ('["pages/claim/index"]', '["a"], "imports": ["nowhere_at_all"]', "'nowhere_at_all' is not installed here"),
        ('["pages/claim/index"]', '["a"], "imports": ["__main__"]', "'__main__' is not the top-level name"),
        ("}\n", "", "truncated"),
    ],
)
def test_what_is_wrong_with_a_manifest_says_where_and_why(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MANIFEST
    head, _, tail = MANIFEST.rpartition(old)
    place = folder(tmp_path, manifest=head + new + tail)
    with pytest.raises(SetupError) as error:
        load_programs([place])
    assert message in str(error.value)
    assert str(place / "manifest.json") in str(error.value)


def test_a_library_is_imported_only_while_the_manifest_lists_it(tmp_path: Path) -> None:
    program = PROGRAM.replace("from msgspec import Struct", "from apsw import Connection\nfrom msgspec import Struct")
    place = folder(tmp_path, program, MANIFEST.replace('"pages"', '"imports": ["apsw"], "pages"'))
    listed = load_programs([place])
    assert listed.programs["voucher"].manifest.imports == ("apsw",)
    (place / "manifest.json").write_text(MANIFEST)
    with pytest.raises(SetupError, match="apsw is no library that every program may import"):
        load_programs([place])


def test_two_who_load_a_program_at_once_both_get_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halfway.py").write_text("import threading\nREACHED, GO = threading.Event(), threading.Event()\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    waits = "import halfway\nhalfway.REACHED.set()\nassert halfway.GO.wait(60)\nENTITIES = (VOUCHER,)"
    program = PROGRAM.replace("ENTITIES = (VOUCHER,)", waits)
    place = folder(tmp_path, program, MANIFEST.replace('"pages"', '"imports": ["halfway"], "pages"'))
    halfway = importlib.import_module("halfway")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(load_programs, [place])
        assert halfway.REACHED.wait(60)
        second = threads.submit(load_programs, [place])
        too_early = wait([second], timeout=0.5).done
        halfway.GO.set()
        assert not too_early
        assert first.result().digest == second.result().digest


def test_a_folder_without_a_program_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"manifest\.json is missing"):
        load_programs([tmp_path])
    place = folder(tmp_path)
    (place / "program.py").unlink()
    with pytest.raises(SetupError, match=r"program\.py: No such file"):
        load_programs([place])


def test_one_name_belongs_to_one_program(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="the name 'voucher' is taken"):
        load_programs([VOUCHER, folder(tmp_path)])
    program, manifest = PROGRAM.replace("voucher", "session"), MANIFEST.replace('"voucher"', '"session"')
    with pytest.raises(SetupError, match="the name 'session' is taken by the platform"):
        load_programs([folder(tmp_path, program, manifest, "session")])


def test_the_folders_of_a_folder_are_its_programs() -> None:
    assert programs_in(Path(__file__).parent) == (VOUCHER,)
