"""Who may use what of the programs that ship: whatever clients may ask is named, and whatever entities say is not."""

import pytest

from actors import Role
from actors.entity import AnyEntity
from actors.programs.food.program import ENTITIES as FOOD
from actors.programs.fortune.program import ENTITIES as FORTUNE
from actors.programs.store.program import ENTITIES as STORE
from actors.registry import load_programs, shipped_programs
from actors.shape import structs_of, tag_of

INNER = {
    "food": (
        *("food.menu.take", "food.menu.put-back", "food.kitchen.drop"),
        *("food.order.create", "food.order.advance", "food.order.lapse"),
    ),
    "store": (
        *("store.door.admit", "store.door.release", "store.shelf.lend", "store.shelf.receive"),
        *("store.begin", "store.lay"),
    ),
    "fortune": (),
}
"""What a program's entities say to each other."""


@pytest.mark.parametrize("entities", [FOOD, STORE, FORTUNE], ids=lambda entities: entities[0].program)
def test_all_that_clients_may_ask_is_named_and_nothing_that_entities_say(entities: tuple[AnyEntity, ...]) -> None:
    inner = INNER[entities[0].program]
    tags = {tag_of(struct) for entity in entities for struct in structs_of(entity.command)}
    assert set(inner) <= tags
    for entity in entities:
        asked = {tag_of(struct) for struct in structs_of(entity.command)} - set(inner)
        assert set(entity.access) == asked | set(entity.views), entity.kind


SHIPPED = load_programs(shipped_programs(), ()).entities


@pytest.mark.parametrize("kind", sorted(SHIPPED))
def test_where_a_person_or_a_merchant_may_change_something_the_id_says_whose_it_is(kind: str) -> None:
    entity = SHIPPED[kind]
    changing = [roles for name, roles in entity.access.items() if name not in entity.views]
    for role in (Role.PERSON, Role.MERCHANT):
        assert role in entity.owner or not any(role in roles for roles in changing)


def test_a_merchant_and_a_person_are_found_in_an_id() -> None:
    assert [SHIPPED[kind].owner[Role.MERCHANT]("m1/x") for kind in ("food.menu", "store.shelf")] == ["m1", "m1"]
    assert [SHIPPED[kind].owner[Role.PERSON]("ann") for kind in ("food.order", "store.basket", "fortune.lot")] == [
        ""
    ] * 3
