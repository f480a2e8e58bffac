"""Hutong: mini programs as virtual actors on an event log. An author needs the names below and nothing else."""

from actors.entity import (
    CancelTimer,
    Context,
    Decision,
    Entity,
    Of,
    Owed,
    Personal,
    Push,
    Ref,
    Reject,
    Role,
    Send,
    SetTimer,
    Stage,
    accept,
    after,
)

__all__ = [
    "CancelTimer",
    "Context",
    "Decision",
    "Entity",
    "Of",
    "Owed",
    "Personal",
    "Push",
    "Ref",
    "Reject",
    "Role",
    "Send",
    "SetTimer",
    "Stage",
    "accept",
    "after",
]
