"""Every Redis key, Celery name, InfluxDB measurement, tag and field that parkwatch uses."""

from __future__ import annotations


# Redis, per shard
def inbox(shard: str) -> str:
    """List of encoded batches that wait for the shard's worker."""
    return f"pw:{shard}:inbox"


def series(shard: str) -> str:
    """Hash series -> ``<version> <record as JSON>``."""
    return f"pw:{shard}:series"


def consumed(shard: str) -> str:
    """Count of batches the shard's worker has committed."""
    return f"pw:{shard}:consumed"


def attended(shard: str) -> str:
    """There while the shard's worker waits at its inbox: nobody needs to ring."""
    return f"pw:{shard}:attended"


# Redis, park-wide
ALARMS = "pw:alarms"
JOURNAL = "pw:journal"
JOURNAL_LENGTH = 200_000
OUTBOX = "pw:outbox"
OUTBOX_ITEMS = "pw:outbox:items"
OUTBOX_WAKE = "pw:outbox:wake"
DELIVERED = "pw:delivered"
SENSORS = "pw:sensors"
SENSORS_REVISION = "pw:sensors:rev"
GATEWAYS = "pw:gateways"
QUARANTINE = "pw:quarantine"
QUARANTINE_COUNTS = "pw:quarantine:counts"
COUNTERS = "pw:counters"


def heartbeat(piece: str) -> str:
    """A piece's sign of life; expires by itself."""
    return f"pw:heartbeat:{piece}"


HEARTBEAT_SECONDS = 15

# Celery
TASK_EVALUATE = "parkwatch.evaluate"
TASK_SWEEP = "parkwatch.sweep"

# InfluxDB
RETENTION_RAW = "raw"
RETENTION_RAW_DAYS = 400
READING = "reading"
QUARANTINED = "quarantined"
TAG_ZONE, TAG_SITE, TAG_SENSOR, TAG_QUANTITY = "zone", "site", "sensor", "quantity"
FIELD_VALUE = "v"
FIELD_RAW = "raw"
FIELD_QUALITY = "q"

# parkwatch's own readings
OWN_SITE = "parkwatch"
