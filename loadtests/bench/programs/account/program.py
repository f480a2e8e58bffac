"""An account: a balance that grows by what is added. Small on purpose: what the benchmark measures is the platform."""

from msgspec import Struct

from actors import Context, Decision, Entity, Reject, accept


class Add(Struct, frozen=True, tag="account.add"):
    amount: int


class Added(Struct, frozen=True, tag="account.added"):
    amount: int


class Account(Struct, frozen=True):
    balance: int = 0
    added: int = 0


class Balance(Struct, frozen=True):
    balance: int


class NoArgs(Struct, frozen=True):
    pass


def decide(account: Account, command: Add, ctx: Context) -> Decision[Added]:
    if command.amount <= 0:
        raise Reject("amount_not_positive")
    return accept(Added(command.amount), reply=Balance(account.balance + command.amount))


def evolve(account: Account, event: Added) -> Account:
    return Account(account.balance + event.amount, account.added + 1)


def state(account: Account, args: NoArgs) -> Account:
    return account


ACCOUNT = Entity("account", Account(), Add, Added, decide, evolve, views={"state": state})

ENTITIES = (ACCOUNT,)
