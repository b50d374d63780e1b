"""Grafana's own alerts: a second net that needs none of parkwatch's processes, only InfluxDB and Grafana.

``python -m grafana.alerting`` writes ``provisioning/alerting/rules.yaml`` from the park's configuration; a test
compares. Where silence is the danger, a query that finds nothing alarms (``noDataState: Alerting``), and so does an
InfluxDB that does not answer. It keeps to what Grafana 9.4 to 11 share.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from park.catalogue import Catalogue, Zone
from park.words import Names
from storage import names
from storage.configuration import load

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "grafana" / "provisioning" / "alerting" / "rules.yaml"
DATASOURCE = {"type": "influxdb", "uid": "parkwatch"}
EXPRESSION = {"type": "__expr__", "uid": "__expr__"}
#: Its slug must be nobody else's: Grafana finds folders by it.
FOLDER = "服务自检 Service net"
_HEADER = """\
# Grafana's own alerts, written by `python -m grafana.alerting`. It is JSON, which YAML is too.
"""
_LONGEST_UID = 40
_READING = f'"{names.RETENTION_RAW}"."{names.READING}"'
_QUARANTINED = f'"{names.RETENTION_RAW}"."{names.QUARANTINED}"'
_HEALTH = f'"{names.RETENTION_RAW}"."{names.HEALTH}"'
_ALARM, _OK = "Alerting", "OK"


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule: alarms when the last value of ``query`` over ``seconds`` is ``compare`` ``than``.

    It has to be so for ``lasts`` seconds. ``silence``: finding nothing alarms. ``unreachable``: so does an InfluxDB
    that does not answer. ``todo`` says what to look at.
    """

    name: str
    title: Names
    todo: Names
    query: str
    seconds: int
    compare: str
    than: float
    lasts: int
    severity: str
    silence: bool = True
    unreachable: bool = True
    zone: str = ""

    def data(self) -> Json:
        """Return the rule as Grafana reads it."""
        labels = {"severity": self.severity, "net": "grafana", **({"zone": self.zone} if self.zone else {})}
        return {
            "uid": _uid(self.name, self.zone),
            "title": f"{self.title.zh} / {self.title.en}",
            "condition": "C",
            "data": [self._query(), *self._condition()],
            "for": f"{self.lasts}s",
            "noDataState": _ALARM if self.silence else _OK,
            "execErrState": _ALARM if self.unreachable else _OK,
            "annotations": {
                "summary": f"{self.title.zh} / {self.title.en}",
                "description": f"{self.todo.zh} / {self.todo.en}",
            },
            "labels": labels,
        }

    def _query(self) -> Json:
        model = {
            "refId": "A",
            "datasource": DATASOURCE,
            "rawQuery": True,
            "query": self.query,
            "resultFormat": "time_series",
            "intervalMs": 1000,
            "maxDataPoints": 1000,
        }
        return _part("A", DATASOURCE["uid"], model, self.seconds)

    def _condition(self) -> Iterator[Json]:
        reduce = {"type": "reduce", "expression": "A", "reducer": "last", "settings": {"mode": "dropNN"}}
        yield _part("B", EXPRESSION["uid"], {"refId": "B", "datasource": EXPRESSION, **reduce}, self.seconds)
        evaluator = {"type": self.compare, "params": [self.than]}
        threshold = {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]}
        yield _part("C", EXPRESSION["uid"], {"refId": "C", "datasource": EXPRESSION, **threshold}, self.seconds)


def _part(ref: str, source: str, model: Json, seconds: int) -> Json:
    return {"refId": ref, "datasourceUid": source, "relativeTimeRange": {"from": seconds, "to": 0}, "model": model}


def _uid(name: str, zone: str) -> str:
    whole = "-".join(filter(None, ("pw", name, zone)))
    return whole if len(whole) <= _LONGEST_UID else f"pw-{name}-{zlib.crc32(zone.encode()):08x}"


# --- the rules ---------------------------------------------------------------------------------------------------


def rules(catalogue: Catalogue) -> Iterator[Rule]:
    """Yield every rule."""
    for zone in catalogue.zones.values():
        yield from _zone_rules(zone)
    yield from _service_rules()


def _zone_rules(zone: Zone) -> Iterator[Rule]:
    """Yield a rule per zone: a zone that is silent is in no answer, and a rule over all of them would not miss it."""
    tag = f"\"{names.TAG_ZONE}\" = '{zone.name}'"
    ours = f"\"{names.TAG_SITE}\" = '{names.OWN_SITE}'"
    yield Rule(
        "silent",
        Names(f"{zone.names.zh}：2 分钟没有任何数据", f"{zone.names.en}: no readings for 2 minutes"),
        Names(
            "该园区测点数据未入库：检查网关、MQTT 服务、采集进程与 InfluxDB；在恢复之前请派人巡检",
            "nothing of its sensors is stored: look at gateways, broker, ingest, InfluxDB; patrol until it is back",
        ),
        f'SELECT count("{names.FIELD_VALUE}") FROM {_READING} '
        f"WHERE {tag} AND \"{names.TAG_SITE}\" != '{names.OWN_SITE}' AND $timeFilter",
        seconds=90,
        compare="lt",
        than=1,
        lasts=30,
        severity="critical",
        zone=zone.name,
    )
    yield Rule(
        "canary-stored",
        Names(f"{zone.names.zh}：全链路自检 60 秒未入库", f"{zone.names.en}: no canary stored for 60 s"),
        Names(
            "看门狗、MQTT 服务、采集进程或 InfluxDB 中断",
            "the watchdog, the broker, ingest or InfluxDB has stopped",
        ),
        f'SELECT count("{names.FIELD_VALUE}") FROM {_READING} '
        f"WHERE {tag} AND {ours} AND \"{names.TAG_SENSOR}\" = '{names.CANARY_SENSOR}' AND $timeFilter",
        seconds=40,
        compare="lt",
        than=1,
        lasts=20,
        severity="critical",
        zone=zone.name,
    )
    yield Rule(
        "canary-delivered",
        Names(f"{zone.names.zh}：全链路自检 60 秒未送达", f"{zone.names.en}: no canary delivered for 60 s"),
        Names(
            "报警不能送达人员：检查计算进程与发送进程；若看门狗也已停止，本规则同样报警。请改用现场巡检与电话",
            "alarms do not reach people: look at workers, delivery and (if that stopped) the watchdog; patrol, phone",
        ),
        f'SELECT last("age_s") FROM {_HEALTH} WHERE "{names.TAG_PIECE}" = \'canary\' AND {tag} AND $timeFilter',
        seconds=60,
        compare="gt",
        than=50,
        lasts=10,
        severity="critical",
        zone=zone.name,
    )


def _service_rules() -> Iterator[Rule]:
    yield Rule(
        "lag",
        Names("计算进程处理滞后超过 30 秒", "a worker lags more than 30 s behind"),
        Names(
            "报警判断滞后：检查计算进程{{ with $labels.piece }} {{ . }}{{ end }}（parkwatch doctor）",
            "alarms are late: look at {{ with $labels.piece }}{{ . }}{{ else }}the workers{{ end }} (parkwatch doctor)",
        ),
        f'SELECT last("lag_s") FROM {_HEALTH} WHERE $timeFilter GROUP BY "{names.TAG_PIECE}"',
        seconds=60,
        compare="gt",
        than=30,
        lasts=10,
        severity="critical",
    )
    yield Rule(
        "piece",
        Names("parkwatch 进程或服务器停止", "a process or server of parkwatch has stopped"),
        Names(
            "已停止：{{ with $labels.piece }}{{ . }}{{ else }}看门狗（watchdog）{{ end }}（parkwatch doctor）",
            "it is {{ with $labels.piece }}{{ . }}{{ else }}the watchdog{{ end }} (parkwatch doctor)",
        ),
        f'SELECT last("up") FROM {_HEALTH} WHERE "{names.TAG_PIECE}" != \'pulse\' AND $timeFilter '
        f'GROUP BY "{names.TAG_PIECE}"',
        seconds=60,
        compare="lt",
        than=1,
        lasts=20,
        severity="critical",
    )
    yield Rule(
        "spool",
        Names("待入库数据在积压", "readings wait in the spool"),
        Names(
            "InfluxDB 写入变慢或中断，数据暂存在采集机磁盘：检查 InfluxDB 与磁盘空间",
            "InfluxDB is slow or away, readings wait on ingest's disk: look at InfluxDB and at the disk",
        ),
        f'SELECT max("{names.FIELD_VALUE}") FROM {_READING} WHERE "{names.TAG_QUANTITY}" = \'spool-waiting\' '
        f'AND $timeFilter GROUP BY "{names.TAG_SENSOR}"',
        seconds=60,
        compare="gt",
        than=100,
        lasts=60,
        severity="warning",
        silence=False,
        unreachable=False,
    )
    yield Rule(
        "quarantine",
        Names("5 分钟内被隔离的消息超过 100 条", "more than 100 messages quarantined in 5 minutes"),
        Names(
            "传感器或网关发送的消息无法识别：parkwatch quarantine 显示原因与改法",
            "sensors or gateways send what can't be read: parkwatch quarantine says why, and what to send instead",
        ),
        f'SELECT sum("n") FROM {_QUARANTINED} WHERE $timeFilter',
        seconds=300,
        compare="gt",
        than=100,
        lasts=0,
        severity="warning",
        silence=False,
        unreachable=False,
    )
    yield Rule(
        "refused",
        Names("InfluxDB 拒绝写入或无法访问", "InfluxDB refuses readings, or does not answer"),
        Names(
            "数据已参与报警判断但没有入库：检查 InfluxDB 的日志、磁盘与字段类型（parkwatch quarantine）",
            "readings are evaluated, not stored: look at InfluxDB's log, disk and field types (parkwatch quarantine)",
        ),
        f'SELECT sum("n") FROM {_QUARANTINED} WHERE "code" = \'influx\' AND $timeFilter',
        seconds=300,
        compare="gt",
        than=0,
        lasts=0,
        severity="warning",
        silence=False,
    )
    yield Rule(
        "lost",
        Names("记录丢失或被拒绝", "records were lost or refused"),
        Names(
            "计数增加{{ with $labels.reason }}：{{ . }}{{ end }}（docs/operations.md）",
            "a count has grown{{ with $labels.reason }}: {{ . }}{{ end }} (docs/operations.md)",
        ),
        f'SELECT spread("total") FROM {_HEALTH} WHERE "{names.TAG_PIECE}" = \'counter\' '
        f'AND "{names.TAG_REASON}" =~ /\\.(lost|rejected)$/ AND $timeFilter GROUP BY "{names.TAG_REASON}"',
        seconds=600,
        compare="gt",
        than=0,
        lasts=0,
        severity="warning",
        silence=False,
        unreachable=False,
    )


# --- the file ----------------------------------------------------------------------------------------------------


def text_of(catalogue: Catalogue) -> str:
    """Return the rules as they are written to the file."""
    group = {
        "orgId": 1,
        "name": "parkwatch",
        "folder": FOLDER,
        "interval": "10s",
        "rules": [rule.data() for rule in rules(catalogue)],
    }
    return _HEADER + json.dumps({"apiVersion": 1, "groups": [group]}, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    RULES.write_text(text_of(load(ROOT / "config")), encoding="utf-8")
    print(f"wrote {RULES.relative_to(ROOT)}")
