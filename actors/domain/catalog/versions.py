"""One version of a program: its table, and which version a person is shown. Values and pure functions."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from actors.entity import Reject, Stage
from actors.shares import WHOLE, bucket_of

LIFE = {
    "uploaded": Stage({"submit": "waiting"}),
    "waiting": Stage({"take": "in_review", "withdraw": "withdrawn"}),
    "in_review": Stage(
        {"approve": "approved", "reject": "rejected", "defer": "deferred", "withdraw": "withdrawn"},
    ),
    "deferred": Stage({"submit": "waiting", "withdraw": "withdrawn"}),
    "withdrawn": Stage({"submit": "waiting"}),
    "rejected": Stage({}, terminal=True),
    "approved": Stage({"gray": "gray", "release": "released"}),
    "gray": Stage({"gray": "gray", "release": "released", "retire": "retired"}),
    "released": Stage({"release": "released", "retire": "retired"}),
    "retired": Stage({"restore": "released"}),
}
UNDER_REVIEW = ("waiting", "in_review", "deferred")

Place: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Rule(Struct, frozen=True):
    """To whom a version is shown before it is released: a share of all persons, and those that are named."""

    share: Annotated[int, Meta(ge=0, le=WHOLE)] = 0
    persons: Annotated[tuple[Place, ...], Meta(max_length=500)] = ()
    cities: Annotated[tuple[Place, ...], Meta(max_length=100)] = ()
    cohorts: Annotated[tuple[Place, ...], Meta(max_length=20)] = ()


class Person(Struct, frozen=True):
    """What the choice of a version knows of a person."""

    openid: str
    city: str = ""
    cohorts: tuple[str, ...] = ()


class Version(Struct, frozen=True):
    """`n` counts its submissions; `reason` is what the last verdict said."""

    code: int
    name: str
    hash: str
    state: str = "uploaded"
    n: int = 0
    submitted_ms: int = 0
    reason: str = ""
    rule: Rule = Rule()


def check_wider(before: Rule, rule: Rule) -> None:
    """Raises Reject unless whoever is shown the version now is shown it afterwards, too."""
    named = (
        (before.persons, rule.persons),
        (before.cities, rule.cities),
        (before.cohorts, rule.cohorts),
    )
    narrower = any(name not in now for then, now in named for name in then)
    if rule.share < before.share or narrower:
        raise Reject("gray_only_up", share=str(before.share))


def shows(program: str, version: Version, person: Person) -> bool:
    """Whether a version that is shown to a part is shown to this person."""
    rule = version.rule
    return (
        bucket_of(program, version.code, person.openid) < rule.share
        or person.openid in rule.persons
        or person.city in rule.cities
        or any(cohort in rule.cohorts for cohort in person.cohorts)
    )
