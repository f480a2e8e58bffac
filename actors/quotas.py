"""The settings that travel in commands, and what each command takes: one that is beyond it would fail every call."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_type_hints

from msgspec import Struct
from msgspec.inspect import IntType, type_info

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
    "codes_minute_max": (Field(quota.Take, "most"),),
    "links_day_max": (Field(quota.Take, "most"),),
    "shares_minute_max": (Field(quota.Take, "most"),),
    "link_ttl_ms_max": (Field(link.Mint, "ttl_ms_max"), Field(link.Mint, "ttl_ms")),
    "link_rules_max": (Field(rules.Add, "rules_max"),),
    "link_publishes_month_max": (Field(rules.Publish, "publishes_month_max"),),
    "notify_unheard_ms": (Field(grants.Use, "unheard_ms"), Field(window.Reply, "unheard_ms")),
    "webhook_endpoints_max": (Field(endpoint.Set, "endpoints_max"),),
    "webhook_lost_ms": (Field(delivery.Begin, "lost_ms"),),
}


def check_quotas(process: ProcessSettings) -> None:
    """Raises SetupError that names each setting which a command that it travels in does not take, and its bounds."""
    wrong = [
        f"$HUTONG_{setting.upper()} is {value}; it can be {least} {'or more' if most is None else f'to {most}'}"
        for setting, value in ((setting, getattr(process, setting)) for setting in TRAVELS)
        for least, most in [bounds_of(setting)]
        if value < least or (most is not None and value > most)
    ]
    if wrong:
        raise SetupError("; ".join(wrong), reason="SETTINGS")


def bounds_of(setting: str) -> tuple[int, int | None]:
    """The least and the most that all commands take in which the setting travels; None is for no bound."""
    found = list(_types_of(setting))
    most = [one.le for one in found if one.le is not None]
    return max(one.ge or 0 for one in found), min(most, default=None)


def _types_of(setting: str) -> Iterator[IntType]:
    for field in TRAVELS[setting]:
        hints: dict[str, Any] = get_type_hints(field.command, include_extras=True)
        found = type_info(hints[field.name])
        assert isinstance(found, IntType), field
        yield found
