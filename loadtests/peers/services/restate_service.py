"""Restate's contestant: a virtual object. Idempotency is Restate's own: its ingress knows a call by its header."""

from typing import Any

import restate
from restate import ObjectContext, ObjectSharedContext, VirtualObject

account = VirtualObject("Account")


@account.handler()
async def pay(ctx: ObjectContext, payment: dict[str, Any]) -> dict[str, int]:
    """Add the amount, exclusively for this key."""
    paid = (await ctx.get("balance", type_hint=int) or 0) + int(payment["amount"])
    ctx.set("balance", paid)
    return {"balance": paid}


@account.handler(kind="shared")
async def balance(ctx: ObjectSharedContext) -> dict[str, int]:
    """What has been paid."""
    return {"balance": await ctx.get("balance", type_hint=int) or 0}


app = restate.app(services=[account])
