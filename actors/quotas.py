"""The quotas among the settings: which commands they travel in, and what they can be, or every call would fail."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.inspect import IntType, StructType, type_info

from actors.domain import developer, visit
from actors.domain.catalog import name as names
from actors.domain.catalog import program as programs
from actors.domain.catalog import uploads
from actors.domain.identity import credential, login
from actors.domain.identity import link as links
from actors.domain.notify import grants, window
from actors.domain.ways import link, quota, rules
from actors.domain.webhook import delivery, endpoint
from actors.errors import SetupError
from actors.packages import KEPT
from actors.settings import ProcessSettings


class Field(NamedTuple):
    """Where a setting stands in a command."""

    command: type[Struct]
    name: str


TRAVELS: Mapping[str, tuple[Field, ...]] = {
    "team_members_max": (Field(developer.Invite, "members_max"),),
    "account_programs_max": (Field(programs.Register, "programs_max"),),
    "name_hold_ms": (Field(names.Claim, "hold_ms"),),
    "rollback_versions_max": (Field(programs.Rollback, "last_max"),),
    "program_versions_max": (Field(programs.Upload, "versions_max"),),
    "upload_bytes_day_max": (Field(programs.Upload, "day_bytes_max"), Field(uploads.Take, "day_bytes_max")),
    "submits_month_max": (Field(programs.Submit, "month_max"),),
    "withdrawals_day_max": (Field(programs.Withdraw, "day_max"),),
    "withdrawals_month_max": (Field(programs.Withdraw, "month_max"),),
    "login_code_ms": (Field(links.IssueCode, "ttl_ms"),),
    "login_codes_minute_max": (Field(links.IssueCode, "minute_max"),),
    "login_codes_open_max": (Field(links.IssueCode, "open_max"),),
    "session_key_ms": (Field(links.Redeem, "ttl_ms"), Field(links.Touch, "ttl_ms")),
    "login_ms": (Field(login.Begin, "ttl_ms"), Field(login.Refresh, "ttl_ms")),
    "refresh_again_ms": (Field(login.Refresh, "again_ms"),),
    "token_ms": (Field(credential.Issue, "ttl_ms"),),
    "token_overlap_ms": (Field(credential.Issue, "overlap_ms"), Field(credential.Renew, "overlap_ms")),
    "token_forced_day_max": (Field(credential.Issue, "forced_day_max"),),
    "token_forced_gap_ms": (Field(credential.Issue, "forced_gap_ms"),),
    "visit_merge_ms": (Field(visit.Open, "merge_ms"),),
    "visit_devices_max": (Field(visit.Open, "devices_max"),),
    "session_hidden_ms": (Field(visit.Open, "hidden_ms"),),
    "session_idle_ms": (Field(visit.Open, "idle_ms"),),
    "codes_minute_max": (Field(quota.Take, "most"),),
    "links_day_max": (Field(quota.Take, "most"),),
    "shares_minute_max": (Field(quota.Take, "most"),),
    "link_ttl_ms_max": (Field(link.Mint, "ttl_ms_max"), Field(link.Mint, "ttl_ms")),
    "link_rules_max": (Field(rules.Add, "rules_max"),),
    "link_publishes_month_max": (Field(rules.Publish, "publishes_month_max"),),
    "notify_unheard_ms": (Field(grants.Use, "unheard_ms"), Field(window.Reply, "unheard_ms")),
    "window_message_max": (Field(window.Note, "replies_max"),),
    "window_message_ms": (Field(window.Note, "open_ms"),),
    "window_enter_max": (Field(window.Note, "replies_max"),),
    "window_enter_ms": (Field(window.Note, "open_ms"),),
    "window_act_max": (Field(window.Note, "replies_max"),),
    "window_act_ms": (Field(window.Note, "open_ms"),),
    "window_pay_ms": (Field(window.Note, "open_ms"),),
    "webhook_endpoints_max": (Field(endpoint.Set, "endpoints_max"),),
    "webhook_overlap_ms": (Field(endpoint.Rotate, "overlap_ms"),),
    "webhook_lost_ms": (Field(delivery.Begin, "lost_ms"),),
}

STAYS: Mapping[str, tuple[int, int]] = {
    "package_bytes_max": (1, KEPT.package_bytes_max),
    "sub_package_bytes_max": (1, KEPT.sub_package_bytes_max),
    "webhook_try_ms": (100, 60_000),
}
"""Quotas that travel in no command, and what they can be: whoever loads packages, or sends, keeps to it."""


def check_quotas(process: ProcessSettings) -> None:
    """Raises SetupError that names each setting that is out of its bounds: those of the commands that it travels in."""
    wrong = [
        f"$HUTONG_{setting.upper()} is {value}; it can be {least} {'or more' if most is None else f'to {most}'}"
        for setting, value in ((setting, getattr(process, setting)) for setting in (*TRAVELS, *STAYS))
        for least, most in [bounds_of(setting)]
        if value < least or (most is not None and value > most)
    ]
    if wrong:
        raise SetupError("; ".join(wrong), reason="SETTINGS")
    waits_ms_of(process)


def waits_ms_of(process: ProcessSettings) -> tuple[int, ...]:
    """How long after each try of a webhook the next one is made. Raises SetupError for what no delivery would take."""
    try:
        waits_ms = tuple(1_000 * int(word) for word in process.webhook_waits_s.split())
        return msgspec.convert(waits_ms, delivery.Waits)
    except (ValueError, msgspec.ValidationError) as error:
        message = (
            f"$HUTONG_WEBHOOK_WAITS_S is {process.webhook_waits_s!r}; it can be up to 19 numbers of seconds: {error}"
        )
        raise SetupError(message, reason="SETTINGS") from error


def bounds_of(setting: str) -> tuple[int, int | None]:
    """The least and the most that all commands take in which the setting travels; None is for no bound."""
    if setting in STAYS:
        return STAYS[setting]
    found = list(_types_of(setting))
    most = [one.le for one in found if one.le is not None]
    return max(_least(one) for one in found), min(most, default=None)


def _least(type_: IntType) -> int:
    return type_.gt + 1 if type_.gt is not None else type_.ge or 0


def _types_of(setting: str) -> Iterator[IntType]:
    for field in TRAVELS[setting]:
        command = type_info(field.command)
        assert isinstance(command, StructType)
        (found,) = (one.type for one in command.fields if one.name == field.name)
        assert isinstance(found, IntType), field
        yield found
