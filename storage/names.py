"""Every Redis key, Celery name, InfluxDB measurement, tag and field that parkwatch uses."""

from __future__ import annotations


# Redis, per shard
def inbox(shard: str) -> str:
    """List of encoded batches that wait for the shard's worker."""
    return f"pw:{shard}:inbox"


def series(shard: str) -> str:
    """Hash series -> ``<version> <record as JSON>``."""
    return f"pw:{shard}:records"


def statistics(shard: str) -> str:
    """Hash series -> the state of its statistics as JSON; named anew with its form, as the records are."""
    return f"pw:{shard}:means"


def consumed(shard: str) -> str:
    """Count of batches the shard's worker has committed."""
    return f"pw:{shard}:consumed"


def acted(shard: str) -> str:
    """Count of what people have done to the shard's alarms: its worker looks again when it has changed."""
    return f"pw:{shard}:acted"


def attended(shard: str) -> str:
    """There while the shard's worker waits at its inbox: nobody needs to ring."""
    return f"pw:{shard}:attended"


# Redis, park-wide
#: Snapshots of alarms that are not normal; named anew with the form of the records: no older one is taken for one.
ALARMS = "pw:standing"
JOURNAL = "pw:journal"
JOURNAL_LENGTH = 50_000
#: With an alarm behind it: list of the ids of its latest entries in the journal, the newest first; expires.
TRACE = "pw:journal:of:"
TRACE_LENGTH = 200
TRACE_SECONDS = 30 * 86_400
#: How far the journal has been copied to InfluxDB, as JSON.
JOURNAL_KEPT = "pw:journal:kept"
#: The newest alarm-system KPIs, as JSON.
KPIS = "pw:kpis"
OUTBOX = "pw:outbox"
OUTBOX_ITEMS = "pw:outbox:items"
OUTBOX_WAKE = "pw:outbox:wake"
DELIVERED = "pw:delivered"
#: Hash ``zone:channel`` -> when (ms) a message of the zone left there last.
OUTBOX_LATEST = "pw:outbox:latest"
#: Hash id -> who holds the claim on an entry of the outbox.
OUTBOX_HOLDERS = "pw:outbox:holders"
#: With a zone and a channel behind it: hash id -> message that gathers there, to leave as one with others.
OUTBOX_BUCKET = "pw:bucket:"
#: With ``alarm:occurrence`` behind it: set of the people's contacts that were told of it; expires after a week.
TOLD = "pw:told:"
#: With a zone behind it: the pages of the last minutes, by time.
FLOOD_RECENT = "pw:flood:"
#: Hash zone -> the flood of alarms that lasts there, as JSON.
FLOODS = "pw:floods"
#: Hash alarm -> how the chain of its latest page stopped, while nobody has acknowledged: ``{"version", "why", "at"}``.
#: It goes with the acknowledgement, or when the alarm is normal: there are never more than alarms that stand.
CHAINS = "pw:chains"
SENSORS = "pw:sensors"
SENSORS_REVISION = "pw:sensors:rev"
#: A random word as old as what Redis knows: another one means that Redis has lost everything in between.
ERA = "pw:era"
GATEWAYS = "pw:gateways"
QUARANTINE = "pw:quarantine"
QUARANTINE_COUNTS = "pw:quarantine:counts"
COUNTERS = "pw:counters"
#: Stream of means on their way to InfluxDB, many in an entry; and hash of blocks to be made again from what is stored,
#: ``series begin`` -> since when (ms).
RESULTS = "pw:results"
RESULTS_LENGTH = 20_000
RESULTS_KEPT = "pw:results:kept"
CORRECTIONS = "pw:corrections"
#: Hash ``series begin`` of hours of meters to be integrated again -> ``since latest``, when (ms) the first and the
#: latest late reading came; the series :data:`ALL_METERS` means all of them.
FLOWS_LATE = "pw:flows:late"
ALL_METERS = "*"
#: Hash flow -> ``until metering``: until when (ms) its amounts have been settled, and by which terms of its meter.
FLOWS_SETTLED = "pw:flows:settled"
#: Hash ``length begin`` of days, months and years whose indicators are to be computed again -> ``final`` or
#: ``corrected``.
INDICATORS_DUE = "pw:indicators:due"
#: Fingerprint of the definitions and of the reported figures that all indicators have been computed by, or are due by.
INDICATORS_BASIS = "pw:indicators:basis"
#: Hash zone -> the latest canary that went the whole way, as JSON.
CANARIES = "pw:canaries"
#: What the watchdog has found, as JSON; expires by itself.
WATCHDOG = "pw:watchdog"
#: The configuration that was applied last, as JSON: every piece takes it up (storage/reload.py).
CONFIGURATION = "pw:configuration"
#: Hash piece -> the version of the configuration that it runs by.
CONFIGURATION_RUNNING = "pw:configuration:running"
#: Stream of the changes of the configuration: who, when, why and what.
CHANGES = "pw:changes"
CHANGES_LENGTH = 1_000
#: How far the changes have been copied to InfluxDB, as JSON.
CHANGES_KEPT = "pw:changes:kept"


def trace(alarm: str) -> str:
    """List of the ids of the alarm's latest entries in the journal, the newest first."""
    return f"{TRACE}{alarm}"


def heartbeat(piece: str) -> str:
    """A piece's sign of life; expires by itself."""
    return f"pw:heartbeat:{piece}"


HEARTBEAT_SECONDS = 15


def session(hashed: str) -> str:
    """A log-in session, by the SHA-256 of its token; expires by itself."""
    return f"pw:session:{hashed}"


def login_failures(hashed: str) -> str:
    """Count of failed log-ins from an address, or of a user name from an address; expires by itself."""
    return f"pw:login:{hashed}"


# Celery
TASK_EVALUATE = "parkwatch.evaluate"
TASK_SWEEP = "parkwatch.sweep"
TASK_JOURNAL = "parkwatch.journal"
TASK_KPIS = "parkwatch.kpis"
TASK_ACCOUNTS = "parkwatch.accounts"
TASK_PRESENT = "parkwatch.present"
#: The queue of park-wide work that no alarm waits for, and the piece that does it.
OFFICE = "office"

# InfluxDB
RETENTION_RAW = "raw"
RETENTION_RAW_DAYS = 400
#: For ever: what few points tell, and what has to be accounted for.
RETENTION_KEPT = "kept"
READING = "reading"
QUARANTINED = "quarantined"
TRANSITION = "transition"
MEAN = "mean"
ALARM_KPI = "alarm_kpi"
CHANGE = "change"
TAG_ZONE, TAG_SITE, TAG_SENSOR, TAG_QUANTITY = "zone", "site", "sensor", "quantity"
TAG_LIMIT, TAG_EVENT, TAG_PRIORITY, TAG_WINDOW = "limit", "event", "priority", "window"
TAG_SPAN = "span"
#: Amounts of flows (rp kept), at the beginning of their span: tags flow, kind, zone, from, to, span (hour, day); fields
#: v, share, flag.
FLOW = "flow"
TAG_FLOW, TAG_KIND, TAG_FROM, TAG_TO = "flow", "kind", "from", "to"
#: Indicators (rp kept): tags indicator, scope (site, zone, park), zone, site, span (day, month, year), benchmark; zone
#: and site are ``all`` above them. Fields v, target, status, met, share, flag, numerator, denominator.
INDICATOR = "indicator"
TAG_INDICATOR, TAG_SCOPE, TAG_BENCHMARK = "indicator", "scope", "benchmark"
EVERYWHERE = "all"
#: Reported figures (rp kept): tags enterprise, figure, span, import; and the imports that are whole.
FIGURE = "figure"
FIGURES_IMPORTED = "figures_imported"
TAG_ENTERPRISE, TAG_FIGURE, TAG_IMPORT = "enterprise", "figure", "import"
#: Classes of enterprises (rp kept): tags scheme, zone, enterprise; at the beginning of the year.
EVALUATION = "evaluation"
TAG_SCHEME = "scheme"
#: The exchange network, for Grafana's node graph (rp raw), every few minutes and when it changes. Sites: tags id
#: (``zone/site`` or ``outside``), zone; fields title_*, subtitle_*, mainstat_*, secondarystat_* (each ``_zh`` and
#: ``_en``), arc_well, arc_idle, arc_broken, arc_unknown (shares of the site's exchanges, 1 together). Flows between
#: them: tags id (the flow), source, target, kind, zone; fields title_*, mainstat_*, secondarystat_*, carried, usual,
#: surplus (kind's unit per hour), state, rank (0 well, 1 idle, 2 no verdict, 3 broken).
NETWORK_NODE = "network_node"
NETWORK_EDGE = "network_edge"
TAG_ID, TAG_SOURCE, TAG_TARGET = "id", "source", "target"
#: What of the residues stays in the park (rp kept), by the last whole hours: tags scope (zone, park), zone, unit;
#: fields v (%), given, kept, share.
NETWORK_STAYING = "network_staying"
TAG_UNIT = "unit"
#: How it stands now, for Grafana (rp raw): a point per sensor, per zone, per alarm that is not normal, per set-point in
#: force, per name; fields in storage/present.py.
STATE = "state"
ZONE_STATE = "zone_state"
STANDING = "standing"
SETPOINT = "setpoint"
NAMED = "named"
#: The same of single series, loads and votes (rp raw), every minute; fields in storage/channels.py.
CHANNEL = "channel"
LOAD = "load"
VOTE = "vote"
TAG_ZH, TAG_EN = "zh", "en"
#: What the service itself does (rp raw), by the watchdog.
HEALTH = "health"
TAG_REASON = "reason"
TAG_ALARM, TAG_LOCATION, TAG_PIECE, TAG_SEVERITY = "alarm", "location", "piece", "severity"
FIELD_VALID, FIELD_SHARE, FIELD_COUNT, FIELD_FLAG = "valid", "share", "n", "flag"
FIELD_VALUE = "v"
FIELD_RAW = "raw"
FIELD_QUALITY = "q"

# parkwatch's own readings
OWN_SITE = "parkwatch"
CANARY_SENSOR = "canary"
CANARY_QUANTITY = "canary"
WATCHDOG_SENSOR = "watchdog"
OVERDUE_QUANTITY = "overdue-steps"
GATEWAY_QUANTITY = "online"
