"""The simulation runs the product's own code: nothing of it may be copied, subclassed or replaced here."""

import ast
from collections.abc import Iterator
from pathlib import Path

from actors.controller import Controller
from actors.host import HostCore
from actors.kernel.partition import Partition
from gateway.pending import PendingTable
from tests.simulation.running import run
from tests.simulation.world import World

HERE = Path(__file__).parent
PRODUCT = ("actors", "gateway")
COPIED_LINES = 5


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the simulation."""
    for path in sorted(HERE.glob("*.py")):
        yield path, ast.parse(path.read_text())


def names_of_the_product(tree: ast.Module) -> set[str]:
    """What a module imports of the product, by the names it uses."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PRODUCT:
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def test_nothing_of_the_product_is_subclassed() -> None:
    for path, tree in modules():
        product = names_of_the_product(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).split(".")[0] for base in node.bases}
                assert not bases & product, f"{path.name}: {node.name} is made from {bases & product}"


def test_no_class_of_the_product_is_written_again() -> None:
    product = {
        node.name
        for folder in ("actors/kernel", "actors", "gateway")
        for path in (HERE.parents[1] / folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    shared = {"Surroundings", "Call", "Open", "Pay", "Opened", "Asked", "Faults"}
    for path, tree in modules():
        here = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        assert not here & product - shared, f"{path.name} has its own {here & product - shared}"


def bodies(tree: ast.Module) -> dict[str, str]:
    """Every function of some length, by its body without the docstring."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            told = "\n".join(ast.unparse(statement) for statement in body)
            if len(told.splitlines()) >= COPIED_LINES:
                found[told] = node.name
    return found


def test_no_function_of_the_product_is_copied() -> None:
    product: dict[str, str] = {}
    for folder in PRODUCT:
        for path in (HERE.parents[1] / folder).rglob("*.py"):
            product |= bodies(ast.parse(path.read_text()))
    assert len(product) > 300
    for path, tree in modules():
        copied = bodies(tree).keys() & product.keys()
        assert not copied, f"{path.name} copies {[product[body] for body in copied]}"


def test_only_the_planted_bugs_replace_anything() -> None:
    for path, tree in modules():
        if path.name in ("planted.py", "conftest.py"):
            continue
        product = names_of_the_product(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                assert ast.unparse(node).split(".")[0] not in product, f"{path.name}:{node.lineno}"


def test_a_world_is_made_of_the_products_own_parts() -> None:
    world = run(World(3))
    assert type(world.chief.controller) is Controller
    for gateway in world.gateways.values():
        assert type(gateway.table) is PendingTable
    for host in world.hosts.values():
        assert type(host.core) is HostCore
        assert all(type(ownership.partition) is Partition for ownership in host.core.owned.values())
