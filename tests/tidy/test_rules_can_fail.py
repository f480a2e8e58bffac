"""Each rule finds the violation planted for it, and leaves its neighbour alone."""

import pytest

from tests.tidy import rules, tree
from tests.tidy.rules import File, Rule

LONG = "def f() -> None:\n" + "    pass\n" * 70
"""A function of 71 lines."""

PLANTED: list[tuple[Rule, str, str, str]] = [
    # rule, path, text that breaks it, text that does not
    (rules.imports_point_down, "actors/host.py", "import actors.adapters.kafka", "import actors.kernel.partition"),
    (rules.imports_point_down, "actors/kernel/a.py", "from actors import ports", "from actors import entity"),
    (rules.imports_point_down, "actors/kernel/a.py", "from actors.programs import shop", "from actors import Reject"),
    (rules.imports_point_down, "actors/programs/a.py", "from actors.kernel import record", "import actors.entity"),
    (rules.imports_point_down, "actors/entity.py", "import actors.kernel", "import actors.errors"),
    (rules.imports_point_down, "actors/settings.py", "def f():\n  import gateway.server", "import actors.ports"),
    (rules.imports_point_down, "gateway/a.py", "import loadtests.bench", "import actors.adapters.memory"),
    (rules.imports_point_down, "loadtests/a.py", "import actors.cli", "import gateway.client"),
    (rules.libraries_stay_at_home, "actors/host.py", "import ray", "import rayon"),
    (rules.libraries_stay_at_home, "gateway/a.py", "def f():\n  from kafka.errors import X", "import grpc.aio"),
    (rules.libraries_stay_at_home, "loadtests/shop_year.py", "import grpc", "import gateway.client"),
    (rules.libraries_stay_at_home, "actors/cli.py", "import apsw, rocksdict", "import actors.adapters.rocksdb"),
    (rules.the_core_is_pure, "actors/kernel/a.py", "import time", "import timeit_not"),
    (rules.the_core_is_pure, "actors/outbox.py", "import time", "import heapq"),
    (rules.the_core_is_pure, "actors/programs/a/program.py", "from random import random", "import math"),
    (rules.the_core_is_pure, "actors/domain/a.py", "from os import path", "import heapq"),
    (rules.the_core_is_pure, "actors/kernel/a.py", "x = hash('a')", "x = ctx.hash('a')"),
    (rules.the_core_is_pure, "actors/domain/a.py", "x = datetime.datetime.now()", "x = ctx.now()"),
    (rules.the_core_is_pure, "actors/domain/a.py", "async def f(): pass", "def f(): pass"),
    (rules.authors_use_no_sets, "actors/programs/a.py", "class S:\n  x: set[str]", "class S:\n  x: dict[str, int]"),
    (rules.authors_use_no_sets, "actors/domain/a.py", "x = {1, 2}", "x = {1: 2}"),
    (rules.files_are_short, "actors/a.py", "x = 1\n" * 501, "x = 1\n" * 500),
    (rules.functions_are_short, "actors/a.py", LONG, LONG.replace("    pass\n", "", 1)),
    (rules.modules_have_docstrings, "actors/a.py", "# no docstring\nx = 1", '"""What it is."""'),
    (rules.modules_have_docstrings, "actors/__init__.py", "x = 1", ""),
    (rules.functions_are_annotated, "actors/a.py", "def f(x) -> None: ...", "def f(self, x: int) -> None: ..."),
    (rules.functions_are_annotated, "actors/a.py", "def f(*x: int): ...", "def f(*x: int) -> None: ..."),
    (rules.no_machine_paths, "README.md", "see /ro" + "ot/x", "see a/ro" + "ot/x"),
    (rules.no_machine_paths, "a.sh", "cd '/wo" + "rk/x'", "cd https://x/work/y"),
    (rules.no_registries, "a.sh", "--index" + "-url x", "--no-emit-index-url"),
    (rules.no_registries, "a.xml", "<reposi" + "tory>", "<dependency>"),
    (rules.nothing_is_unfinished, "README.md", "TO" + "DO: this", "to do this"),
    (rules.bytes_never_become_code, "actors/a.py", "import pickle", "import json"),
    (rules.bytes_never_become_code, "actors/a.py", "eval('1')", "re.compile('1')"),
    (rules.bytes_never_become_code, "actors/a.py", "yaml.load(x)", "yaml.safe_load(x)"),
    (rules.bytes_never_become_code, "actors/registry.py", "eval(x)", "exec(compile(x))"),
    (rules.reasons_say_whose_they_are, "actors/a.py", "raise Reject('ALL_GONE')", "raise Reject('all_gone', n='1')"),
    (rules.reasons_say_whose_they_are, "gateway/a.py", "Reject('ok' if x else 'NO')", "Reject(f'too_many_{x}')"),
    (rules.reasons_say_whose_they_are, "gateway/a.py", "NotFound('', reason='no_x')", "NotFound('', reason='NO_X')"),
    (rules.no_global_statement, "actors/a.py", "def f():\n  global x\n  x = 1", "def f():\n  x = 1"),
    (rules.tests_do_not_sleep, "tests/a/test_a.py", "import time\ntime.sleep(1)", "import time\ntime.monotonic()"),
    (rules.tests_do_not_sleep, "tests/a/test_a.py", "from time import sleep", "from time import monotonic"),
    (rules.tests_can_fail, "tests/a/test_a.py", "def test_x(): f()", "def test_x(): assert f()"),
    (rules.tests_can_fail, "tests/a/test_a.py", "def test_x(): f()\ndef f(): g()", "def test_x(): check_that(1)"),
    (
        rules.tests_can_fail,
        "tests/a/test_a.py",
        "async def test_x(): subprocess.run(['a'], check=False)",
        "def test_x():\n  with pytest.raises(ValueError): f()",
    ),
]


@pytest.mark.parametrize(("rule", "path", "wrong", "right"), PLANTED)
def test_a_planted_violation_is_found_and_its_neighbour_is_not(rule: Rule, path: str, wrong: str, right: str) -> None:
    assert rule(File(path, wrong))
    assert rule(File(path, right)) == []


def test_no_rule_is_without_a_planted_violation() -> None:
    assert {rule for rule, *_ in PLANTED} == {*rules.PYTHON_RULES, *rules.TEXT_RULES}


def test_something_new_at_the_top_is_found() -> None:
    assert tree.the_top_level_is_fixed(["README.md", "actors/a.py"]) == []
    assert tree.the_top_level_is_fixed(["utils/a.py"]) == ["utils does not belong at the top"]


def test_a_folder_without_a_readme_is_found() -> None:
    assert tree.folders_have_readmes(["README.md", "a/README.md", "a/b.py", "a/data/c.csv"]) == []
    assert tree.folders_have_readmes(["README.md", "a/README.md", "a/b/c.py"]) == ["a/b has no README.md"]
    assert tree.folders_have_readmes(["README.md", "tests/a/manifest.json"]) == []
    assert tree.folders_have_readmes(["README.md", "actors/a/manifest.json"]) == ["actors/a has no README.md"]


def test_a_file_without_a_word_in_its_readme_is_found() -> None:
    readme = File("actors/b/README.md", "`lanes.py` is one thing")
    assert tree.readmes_name_every_file([readme, File("actors/b/lanes.py", "")]) == []
    found = tree.readmes_name_every_file([readme, File("actors/b/lane.py", "")])
    assert found == ["actors/b/lane.py is not named in actors/b/README.md"]


def test_a_kernel_of_one_line_too_many_is_found() -> None:
    half = File("actors/kernel/a.py", '"""Words."""\n\n' + "x = 1\n" * 600)
    assert tree.the_kernel_is_small([half, half]) == []
    assert tree.the_kernel_is_small([half, half, File("actors/kernel/b.py", "x = 1")]) != []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A_MAX = 1", "A_MAX"),
        ("def f() -> None: ...", "f"),
        ("class A:\n  def f(self) -> None: ...\nA()", "f"),
        ("class ASettings:\n  a_max: int = 1\nASettings()", "a_max"),
    ],
)
def test_what_nobody_uses_is_found(text: str, name: str) -> None:
    dead = File("actors/a.py", text)
    assert any(finding.endswith(f"nobody uses {name}") for finding in tree.nothing_is_dead([dead]))
    assert tree.nothing_is_dead([dead, File("gateway/b.py", f"import actors.a\nx = actors.a.{name}\nprint(x)")]) == []
    assert tree.nothing_is_dead([dead, File("tests/b.py", f"import actors.a\nx = actors.a.{name}\nprint(x)")]) != []


@pytest.mark.parametrize(
    ("path", "text"),
    [("a.md", "answers `ALL_GONE`"), ("protos/a.proto", "// ALL_GONE."), ("tests/a.py", "assert why == 'ALL_GONE'")],
)
def test_a_rules_reason_in_capitals_is_found_wherever_it_is_written(path: str, text: str) -> None:
    rule = File("actors/a.py", "raise Reject('all_gone')")
    assert tree.every_reason_has_one_spelling([rule, File(path, text)]) == [f"{path}: ALL_GONE is written all_gone"]
    assert tree.every_reason_has_one_spelling([rule, File(path, text.lower())]) == []
    assert tree.every_reason_has_one_spelling([rule, File("actors/b.py", "ALL_GONE = 1")]) == []


def test_a_hook_that_nobody_calls_is_found() -> None:
    sensor = File("actors/sensor.py", "class Sensor:\n  def frame_lost(self) -> None: ...")
    assert tree.every_hook_is_told([sensor]) == ["nobody calls the hook frame_lost"]
    assert tree.every_hook_is_told([sensor, File("gateway/a.py", "sensor.frame_lost()")]) == []
