"""A night at the park, for the browser: a leak and what comes with it, by hands that put it into Redis and InfluxDB."""

from __future__ import annotations

import functools
import math
import random

import msgspec
import redis as redis_py

from park.actions import Acknowledge, Remove, Shelve
from park.catalogue import Catalogue
from park.floods import Flood
from park.kpis import PARK, ROLLING, Figures, Latest
from park.words import Names, Quality
from storage import names, watch
from storage.clock import Clock
from storage.configuration import load
from storage.figures import publish_kpis
from storage.influx import Influx
from storage.quarantine import Entry, Quarantine
from storage.states import ParkStates
from tests.consoles import ROOT, Park

HF = "new-materials/hf-plant/hf-101/hf"
NEW = "riverside/tank-farm/gd-301/h2s"
MINUTE = 60_000

SENSORS = {
    "new-materials/hf-plant/hf-101": Names("氟化氢探测器 HF-101（反应器平台）", "HF detector HF-101, reactor deck"),
    "new-materials/hf-plant/hf-102": Names("氟化氢探测器 HF-102（装车台）", "HF detector HF-102, loading bay"),
    "new-materials/tank-farm/lt-201": Names("盐酸储罐液位 LT-201", "Acid tank level LT-201"),
    "new-materials/polymer-plant/gd-110": Names("可燃气体探测器 GD-110", "Gas detector GD-110"),
    "new-materials/outfall/ws-01": Names("总排口水质站", "Outfall station"),
    "riverside/chlor-plant/gd-210": Names("氯气探测器 GD-210（汽化器）", "Chlorine detector GD-210, vaporiser"),
    "riverside/tank-farm/gd-301": Names("硫化氢探测器 GD-301（码头）", "H2S detector GD-301, jetty"),
    "riverside/eo-plant/gd-220": Names("环氧乙烷探测器 GD-220", "Ethylene oxide detector GD-220"),
    "riverside/air-station/aq-01": Names("环境空气站 AQ-01", "Air station AQ-01"),
}


class Ago(Park):
    """Hands whose clock can be put back, so that things have happened a while ago."""

    def __init__(self, url: str, clock: Clock, park: Catalogue) -> None:
        super().__init__(url, clock, park)
        self._real = clock
        self.back = 0
        self.clock = self

    def now(self) -> int:
        """The time, put back by ``back`` ms."""
        return self._real.now() - self.back


@functools.cache
def catalogue() -> Catalogue:
    """The configuration that ships."""
    return load(ROOT / "config")


def fall(url: str, clock: Clock) -> None:
    """Let the night fall: alarms in every state, all of them some minutes old."""
    park = Ago(url, clock, catalogue())
    states = ParkStates(park.client, park.catalogue)
    for key, shown in SENSORS.items():
        park.register(key, shown, gateway=f"{key.split('/')[0]}/gw-01")
    gateways = {"new-materials/gw-01": ("online", 0), "riverside/gw-01": ("online", 0)}
    for key, (state, at) in gateways.items():
        park.client.hset(names.GATEWAYS, key, msgspec.json.encode({"state": state, "at": at}))

    def raised(series: str, limit: str, value: float, minutes: float, level: int = 1, **changes: object) -> None:
        park.back = round(minutes * MINUTE)
        park.raise_alarm(series, level, value, limit, **changes)

    def alarm(series: str, limit: str) -> str:
        return f"{series.replace('/', '.')}.{limit}"

    def acted(series: str, limit: str, by: str, why: str, minutes: float, action: object) -> None:
        park.back = round(minutes * MINUTE)
        states.act(alarm(series, limit), action, by=by, why=why, now=park.now())  # type: ignore[arg-type]  # given below

    raised(HF, "hf-detector", 2.6, 4.2, 1, first_up=True)
    raised(HF, "hf-detector", 6.4, 3.1, 2, first_up=True)
    raised("new-materials/hf-plant/hf-102/hf", "hf-detector", 2.31, 2.4)
    raised(
        "new-materials/polymer-plant/gd-110/lel",
        "combustible-detector",
        27.0,
        19,
        1,
        recent=tuple(clock.now() - 19 * MINUTE - s for s in (45_000, 20_000, 0)),
    )
    raised("riverside/chlor-plant/gd-210/cl2", "cl2-detector", 1.18, 46)
    acted("riverside/chlor-plant/gd-210/cl2", "cl2-detector", "li", "已派人检查汽化器密封", 41, Acknowledge(1, 1))
    raised("new-materials/tank-farm/lt-201/level", "tank-level-high", 86.2, 73)
    acted("new-materials/tank-farm/lt-201/level", "tank-level-high", "li", "", 70, Acknowledge(1, 1))
    raised("new-materials/outfall/ws-01/cod", "outfall-cod", 58.3, 31)
    raised("new-materials/outfall/ws-01/cod", "outfall-cod", 41.0, 12, 0)
    raised("riverside/air-station/aq-01/no2", "ambient-no2", 0.214, 95)
    raised("riverside/eo-plant/gd-220/ethylene-oxide", "ethylene-oxide-detector", 2.15, 130)
    acted(
        *("riverside/eo-plant/gd-220/ethylene-oxide", "ethylene-oxide-detector", "li"),
        *("探头校准中，备用探头 GD-221 已投用", 120, Shelve(clock.now() + 95 * MINUTE)),
    )
    park.read("new-materials/outfall/ws-01/ph", 7.4)
    park.back = 600 * MINUTE
    park.read("new-materials/outfall/ws-01/tp", 0.31, Quality.MAINTENANCE_REQUIRED)
    acted("new-materials/outfall/ws-01/tp", "outfall-tp", "wang", "总磷仪返厂维修，工单 2026-114", 590, Remove())
    park.read("riverside/tank-farm/gd-301/h2s", 1.2)
    park.back = 0
    for series, value in ((HF, 6.72), ("riverside/chlor-plant/gd-210/cl2", 1.12)):
        park.read(series, value, ago=2_000)
    park.read(NEW, 1.2, ago=4_000)
    _told(park.client, clock.now())
    _refused(park.client, clock.now())
    park.client.close()


def flooded(url: str, now: int) -> None:
    """Let there be a flood."""
    client = redis_py.Redis.from_url(url)
    client.hset(names.FLOODS, "new-materials", msgspec.json.encode(Flood(now - 4 * MINUTE, 14, 14)))
    client.close()


def comes(url: str, clock: Clock) -> str:
    """Let one more alarm come now; return its id."""
    park = Park(url, clock, catalogue())
    park.raise_alarm(NEW, 1, 12.4, "h2s-detector")
    park.client.close()
    return f"{NEW.replace('/', '.')}.h2s-detector"


def _told(client: redis_py.Redis, now: int) -> None:
    alarm = f"{HF.replace('/', '.')}.hf-detector"
    for version, channel, person, minutes, result in (
        (1, "zhang-lei.terminal", "zhang-lei", 4.15, "sent"),
        (2, "zhang-lei.terminal", "zhang-lei", 3.05, "sent"),
        (2, "chen-gang.terminal", "chen-gang", 1.1, "failed"),
        (2, "chen-gang.sms", "chen-gang", 1.0, "sent"),
    ):
        ended = now - round(minutes * MINUTE)
        record = {
            "id": f"send:{alarm}:1:{version}:{channel}",
            "alarm": alarm,
            "occurrence": 1,
            "version": version,
            "channel": channel,
            "person": person,
            "result": result,
            "attempts": 1 if result == "sent" else 3,
            "reason": "" if result == "sent" else "HTTP 503",
            "queued": ended - 400,
            "ended": ended,
        }
        client.xadd(names.DELIVERED, {"delivery": msgspec.json.encode(record)})


def _refused(client: redis_py.Redis, now: int) -> None:
    entries = [
        Entry(
            "park/riverside/tank-farm/gd-302/h2z",
            "quantity",
            "h2z is no quantity",
            "did you mean h2s? a new quantity is a row in config/quantities.yaml",
            '{"v": 1.2}',
            now - 9 * MINUTE,
        ),
        Entry(
            "park/new-materials/hf-plant/hf-109/hf",
            "unit",
            "mg/l is no unit that hf can be read in",
            "send one of ug/m3, mg/m3, ppm, ppb",
            '{"v": 0.4, "u": "mg/l"}',
            now - 26 * MINUTE,
        ),
    ]
    Quarantine(client).put(entries)


def remembered(influx: Influx, now: int) -> None:
    """Let InfluxDB hold a day of the leaking detector: quiet, an hour without data, doubtful for a while, the leak."""
    chance = random.Random(7)
    lines = []
    for t in range(now - 24 * 60 * MINUTE, now, 10_000):
        ago = (now - t) / MINUTE
        if 28 < ago < 34 or 500 < ago < 560:
            continue
        value = 0.12 + 0.06 * math.sin(t / 3.1e6) + chance.gauss(0, 0.025)
        if ago < 6:
            value += 6.6 / (1 + math.exp((ago - 3.6) * 2.4))
        tags = "quantity=hf,sensor=hf-101,site=hf-plant,zone=new-materials"
        doubtful = 44 < ago < 49 or 700 < ago < 730
        quality = Quality.FUNCTION_CHECK if doubtful else Quality.GOOD
        field = names.FIELD_RAW if doubtful else names.FIELD_VALUE
        lines.append(f'{names.READING},{tags} {field}={max(value, 0.0)!r},{names.FIELD_QUALITY}="{quality.value}" {t}')
    influx.ensure()
    for first in range(0, len(lines), 5_000):
        influx.write("\n".join(lines[first : first + 5_000]).encode())


RUN = """
import os
from alerts.console.app import serve
from storage.settings import Settings
from tests.night import catalogue
serve(Settings.from_environment(os.environ), catalogue())
"""


def looked_after(url: str, now: int) -> None:
    """Let the office have computed its figures and the watchdog have looked."""
    client = redis_py.Redis.from_url(url)
    plain = dict.fromkeys(Figures.__struct_fields__, 0) | {"top": (), "chatterers": (), "stale_alarms": ()}
    shares = {"low_share": 0.71, "medium_share": 0.19, "high_share": 0.08, "critical_share": 0.02}
    windows = {
        window: msgspec.convert(
            {
                **plain,
                **shares,
                "window": window,
                "since": now - length,
                "until": now,
                "operators": 2,
                "zone": PARK,
                "announced": 3 * n,
                "average": 0.4 * n,
                "maximum": 2.5 * n,
                "acknowledge_median": 48_000.0,
                "acknowledge_p90": 210_000.0,
                "acknowledged_in_time": 0.97 - 0.02 * n,
                "top": [{"alarm": f"{HF.replace('/', '.')}.hf-detector", "count": 3 * n}],
            },
            Figures,
        )
        for n, (window, length) in enumerate(ROLLING.items(), 1)
    }
    publish_kpis(client, Latest(now, now - 31 * 24 * 60 * MINUTE, {PARK: windows}))
    zones = catalogue().zones
    checks = [watch.Check(watch.Kind.CANARY, zone, 3_200, well=True) for zone in zones]
    checks += [watch.Check(watch.Kind.STORED, zone, 41_000, well=zone != "riverside") for zone in zones]
    checks += [watch.Check(watch.Kind.ALIVE, piece, 1_500, well=True) for piece in ("ingest.0", "beat", "delivery")]
    pulse = watch.Pulse(wanted=True, sent=now - 20_000, reason="canary of riverside in InfluxDB: 41 s old")
    watch.put(client, watch.Watched(now - 900, tuple(checks), now - 5_000, (), pulse))
    client.close()
