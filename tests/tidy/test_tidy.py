"""The rules of the code hold for the whole tree. A finding names the file, the line and the rule's reason."""

from pathlib import Path

import pytest

from tests.tidy import tree
from tests.tidy.rules import PYTHON_RULES, TEXT_RULES, Rule

REPOSITORY = Path(__file__).parents[2]
FILES = tree.files_of(REPOSITORY)
PATHS = tree.paths_of(REPOSITORY)


@pytest.mark.parametrize("rule", PYTHON_RULES + TEXT_RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds_in_every_file(rule: Rule) -> None:
    files = [file for file in FILES if file.python or rule in TEXT_RULES]
    findings = [f"{file.path}: {finding}" for file in files for finding in rule(file)]
    assert not findings, f"{rule.__doc__}\n" + "\n".join(findings)


def test_the_rules_see_the_code() -> None:
    modules = {file.module for file in FILES if file.python}
    assert {"actors.kernel.partition", "actors.errors", "infra.kafka.broker", "tests.tidy.rules"} <= modules


def test_the_top_level_is_fixed() -> None:
    findings = tree.the_top_level_is_fixed(PATHS)
    assert not findings, "\n".join(findings)


def test_every_folder_has_a_readme() -> None:
    findings = tree.folders_have_readmes(PATHS)
    assert not findings, "\n".join(findings)


def test_every_file_is_named_in_its_readme() -> None:
    findings = tree.readmes_name_every_file(FILES)
    assert not findings, "\n".join(findings)


def test_nothing_is_dead() -> None:
    assert tree.nothing_is_dead(FILES) == []


def test_every_reason_has_one_spelling() -> None:
    assert tree.every_reason_has_one_spelling(FILES) == []


def test_every_hook_is_told() -> None:
    assert tree.every_hook_is_told(FILES) == []


def test_the_kernel_is_small() -> None:
    assert tree.the_kernel_is_small(FILES) == []
