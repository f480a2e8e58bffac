"""The two kinds of settings, immutable and read once at the edge: what a cluster is, and how a process runs.

Cluster settings are stored beside the log and are the same everywhere for ever; formats and routing depend on them.
Process settings may differ by process and by restart.
"""

import msgspec
from msgspec import Struct

from actors.errors import SetupError
from actors.kernel.routing import DEFAULT_GROUP, GROUP_MARK
from actors.ports import Topic

PARTITIONS_MAX = 1_024
ROUTING_HASH = "crc32"
FORMAT = 2


class ClusterSettings(Struct, frozen=True, kw_only=True):
    """The same everywhere and for ever."""

    partitions: int = 16
    groups: dict[str, int] = {}
    routing_hash: str = ROUTING_HASH
    format: int = FORMAT
    commands_topic: str = "hutong.commands.v1"
    placement_topic: str = "hutong.placement.v1"
    control_topic: str = "hutong.control.v1"
    events_topic: str = "hutong.events.{area}.v1"

    def __post_init__(self) -> None:
        if (self.routing_hash, self.format) != (ROUTING_HASH, FORMAT):
            raise SetupError(
                f"the log has routing hash {self.routing_hash!r} and format {self.format}; this release reads "
                f"{ROUTING_HASH!r} and {FORMAT}. Go on with the release that made it, or start in a fresh folder.",
                reason="CLUSTER_SETTINGS_DIFFER",
            )
        if not 1 <= self.partitions <= PARTITIONS_MAX:
            raise SetupError(f"partitions must be 1 to {PARTITIONS_MAX}, not {self.partitions}")
        for name, size in self.groups.items():
            if not name or GROUP_MARK in name or name == DEFAULT_GROUP or size < 1:
                raise SetupError(
                    f"the group {name!r} of {size} partitions cannot be: a group has a name of its own, without "
                    f"{GROUP_MARK!r} and not {DEFAULT_GROUP!r}, and at least one partition"
                )
        if sum(self.groups.values()) >= self.partitions:
            raise SetupError("the groups take every partition; leave at least one for the default group")

    def events_topic_of(self, kind: str) -> str:
        """The topic that carries the events of entities of this kind, and of every other kind of its area.

        An area is what stands before the first dot of a kind: a program, or a part of the platform itself. So a
        topic takes as many partitions as there are areas, not kinds, and an append one frame.
        """
        return self.events_topic.format(area=kind.partition(".")[0])

    def topics(self, kinds: tuple[str, ...]) -> tuple[Topic, ...]:
        """Every topic of a platform that has entities of these kinds."""
        events = dict.fromkeys(self.events_topic_of(kind) for kind in (*kinds, "dead-letter"))
        return (
            Topic(self.commands_topic, self.partitions),
            Topic(self.placement_topic, 1, compacted=True),
            Topic(self.control_topic, 1, compacted=True),
            *(Topic(name, self.partitions) for name in events),
        )


class ProcessSettings(Struct, frozen=True, kw_only=True):
    """Bounds and times of one process, each with its unit in its name, and where it serves; `$HUTONG_<NAME>` sets it.

    What an entity judges by travels in the command, so that a replay judges by what was set then.
    """

    # Calls at a gateway: how long they may take, how long one waits for others to share its frame with, how many may
    # wait (in all, for one caller), how large they may be.
    append_deadline_ms: int = 10_000
    deadline_ms_default: int = 10_000
    deadline_ms_max: int = 60_000
    deadline_left_ms_min: int = 20
    gather_ms: int = 0
    pending_max: int = 20_000
    pending_per_caller_max: int = 10_000
    queries_max: int = 10_000
    queries_per_tenant_max: int = 5_000
    message_bytes_max: int = 4 << 20
    payload_bytes_max: int = 256 * 1024
    metadata_bytes_max: int = 8 * 1024
    # When it is too much: see `gateway.admission.Limits`; and when whoever is turned away may ask again.
    queueing_ms_max: int = 20
    queueing_streamed_ms_max: int = 100
    queueing_accept_ms_max: int = 500
    queueing_line_min: int = 100
    queueing_streamed_line_min: int = 1_000
    calls_per_connection_max: int = 100
    queueing_window_ms: int = 1_000
    queueing_window_calls: int = 2_000
    overload_retry_ms: int = 500
    # How far a request id may be dated ahead of the gateway's clock.
    request_id_ahead_ms_max: int = 60_000
    # Hosts that serve nothing until one of the others ends, whose place is then taken at once.
    spare_hosts: int = 1
    # A host: entities in memory, records in the outbox, records from snapshot to snapshot; how far the log's time may
    # be ahead of its clock, after what silence it is replaced, after how long one record or view is given up; and how
    # long it, or a gateway, may take to end.
    resident_max: int = 200_000
    outbox_max: int = 20_000
    snapshot_records: int = 200_000
    snapshots_kept: int = 2
    trim_log: bool = True
    stamp_ahead_ms_max: int = 300_000
    host_silence_ms_max: int = 3_000
    decide_ms_max: int = 5_000
    drain_ms_max: int = 5_000
    # Accounts and the catalogue; days and months (of 30 days) are the log's.
    team_members_max: int = 100
    account_programs_max: int = 50
    name_hold_ms: int = 3_600_000
    rollback_versions_max: int = 5
    package_bytes_max: int = 30 << 20
    sub_package_bytes_max: int = 2 << 20
    program_versions_max: int = 20
    upload_bytes_day_max: int = 512 << 20
    submits_month_max: int = 20
    withdrawals_day_max: int = 1
    withdrawals_month_max: int = 10
    # Persons: codes that log in, sessions with programs, sign-ins and their refresh secrets.
    login_code_ms: int = 300_000
    login_codes_minute_max: int = 100
    login_codes_open_max: int = 16
    session_key_ms: int = 86_400_000
    login_ms: int = 30 * 86_400_000
    refresh_again_ms: int = 30_000
    sign_ins_minute_max: int = 60
    # Keys of personal data: how many persons a program may speak of for the first time in a day, and how long what is
    # about nobody who is named can be read.
    subject_keys_day_max: int = 1_000_000
    unnamed_kept_ms: int = 90 * 86_400_000
    # Credentials: how long a token is good, how long before its end the next one begins, forced refreshes; how often it
    # is asked for, counted by all gateways of a machine.
    token_ms: int = 7_200_000
    token_overlap_ms: int = 300_000
    token_forced_day_max: int = 20
    token_forced_gap_ms: int = 30_000
    token_asks_minute_max: int = 10_000
    token_asks_day_max: int = 500_000
    # How much memory a host on Ray may take beyond what it has when it begins, and whether its thread keeps a processor
    # to itself: for machines that serve nothing else.
    memory_bytes_max: int = 2 << 30
    host_keeps_core: bool = False
    # Who may call, and what is served where; files are PEM.
    identity_required: bool = False
    oidc_issuer: str = ""
    oidc_audience: str = ""
    gateway_host: str = "127.0.0.1"
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    # Visits, and when a session ends by itself: in the background, and wherever nothing happens; codes, links and rules
    # of ordinary links: the host they are written with, and what a program may make.
    visit_merge_ms: int = 30_000
    visit_devices_max: int = 8
    session_hidden_ms: int = 300_000
    session_idle_ms: int = 1_800_000
    code_host: str = "hutong.example"
    codes_minute_max: int = 5_000
    links_day_max: int = 500_000
    link_opens_day_max: int = 3_000_000
    shares_minute_max: int = 100
    link_ttl_ms_max: int = 30 * 86_400_000
    link_rules_max: int = 100
    link_publishes_month_max: int = 100
    # After how long what nobody heard goes to the inbox, and how many templates one prompt asks for; how many replies
    # of customer service each act of a person allows, and within what time: to use a menu, to follow and to scan are
    # alike, and whoever paid is replied to without a bound.
    notify_unheard_ms: int = 10_000
    notify_prompt_max: int = 3
    window_message_max: int = 5
    window_message_ms: int = 2 * 86_400_000
    window_enter_max: int = 2
    window_enter_ms: int = 60_000
    window_act_max: int = 3
    window_act_ms: int = 60_000
    window_pay_ms: int = 2 * 86_400_000
    # Webhooks: how many endpoints a program may have, how long a try may take, how many seconds pass before each
    # further one, how long a former secret signs beside the next, after how long a try is lost, and the one port of
    # 127.0.0.1 that is told without TLS (0: none).
    webhook_endpoints_max: int = 16
    webhook_try_ms: int = 5_000
    webhook_waits_s: str = "15 15 30 180 600 1200 1800 1800 1800 3600 10800 10800 10800 21600 21600"
    webhook_overlap_ms: int = 86_400_000
    webhook_lost_ms: int = 60_000
    webhook_local_port: int = 0


def read_cluster(stored: bytes) -> ClusterSettings:
    """The settings that were stored beside a log. Raises SetupError when they are not what was stored."""
    try:
        return msgspec.json.decode(stored, type=ClusterSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SetupError(
            f"the cluster settings of this log do not decode: {error}. Bring the file back from a copy: without it "
            "nobody knows how the log is laid out.",
            reason="CLUSTER_SETTINGS_DAMAGED",
        ) from error


def check_same(stored: bytes, wanted: ClusterSettings) -> None:
    """Compare settings that were stored beside a log with the wanted ones. Raises SetupError naming each difference."""
    before = read_cluster(stored)
    different = [
        f"{name}: stored {getattr(before, name)!r}, wanted {getattr(wanted, name)!r}"
        for name in ClusterSettings.__struct_fields__
        if getattr(before, name) != getattr(wanted, name)
    ]
    if different:
        raise SetupError(
            "the cluster settings differ from those this log was made with ("
            + "; ".join(different)
            + "). They cannot change; use the stored values, or start in a fresh folder.",
            reason="CLUSTER_SETTINGS_DIFFER",
        )
