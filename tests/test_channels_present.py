"""Single series, loads and votes as the office tells Grafana of them."""

from __future__ import annotations

import pytest

from park import budgets
from park.alarms import Alarm
from park.catalogue import Catalogue
from park.evaluate import Record
from park.limits import Period
from park.sensors import Channel as Range
from park.sensors import Sensor
from park.words import Location, Names, Quality
from storage.channels import Channel, encode_channel, encode_load, encode_vote, grafana_unit
from storage.configuration import load
from tests.conftest import ROOT
from workers import channels
from workers.composing import Known
from workers.derived import MEMORY, load_series

NOW = 1_790_000_000_000
HF = "new-materials/hf-plant/hf-101/hf"
OXYGEN = "new-materials/hf-plant/hf-101/oxygen"
COD = "new-materials/outfall/out-1/cod"
NAMES = Names("氟化氢探测器 101", "HF detector 101")


@pytest.fixture(scope="module")
def park() -> Catalogue:
    return load(ROOT / "config")


def _sensor(series: str, **known: object) -> Sensor:
    return Sensor(series.rsplit("/", 1)[0], NOW, names=NAMES, **known)  # type: ignore[arg-type]


def _known(records: dict[str, Record], *sensors: Sensor) -> Known:
    return Known({sensor.key: sensor for sensor in sensors}, records, (), NOW)


def _channel(park: Catalogue, record: Record, sensor: Sensor, series: str = HF) -> Channel:
    known = _known({series: record}, sensor)
    return next(channels.channels(known, {series: Location.WORKPLACE}, park))


def test_a_value_is_held_against_the_lowest_high_set_point_of_single_values(park: Catalogue) -> None:
    channel = _channel(park, Record(t=NOW, received=NOW, value=1.0), _sensor(HF, interval=2_000))
    assert (channel.value, channel.share) == (1.0, 50.0), "HF alarms at 2 mg/m3"
    assert (channel.rank, channel.quality, channel.interval) == (0, "good", 2000.0)
    assert channel.site_names.zh == "氟化氢装置"


def test_an_unusable_value_is_not_shown(park: Catalogue) -> None:
    record = Record(t=NOW, received=NOW, value=1.0, quality=Quality.FAILURE)
    channel = _channel(park, record, _sensor(HF))
    assert (channel.value, channel.share, channel.quality) == (None, None, "failure")


def test_what_has_said_nothing_for_too_long_is_silent(park: Catalogue) -> None:
    record = Record(t=NOW - 60_000, received=NOW - 60_000, value=1.0)
    assert _channel(park, record, _sensor(HF, interval=2_000)).quality == "silent"


def test_the_rank_is_that_of_the_worst_alarm_that_stands(park: Catalogue) -> None:
    record = Record(t=NOW, received=NOW, value=5.0, alarms={"hf-detector": Alarm(level=2)})
    assert _channel(park, record, _sensor(HF)).rank == 4, "high-high is critical"
    over = Record(t=NOW, received=NOW, value=0.1, alarms={"hf-detector": Alarm(level=0)})
    assert _channel(park, over, _sensor(HF)).rank == 0


def test_a_range_in_another_unit_is_not_taken_for_one_in_the_canonical_unit(park: Catalogue) -> None:
    own = _sensor(HF, channels={"hf": Range("mg/m3", 0.0, 8.0)})
    foreign = _sensor(HF, channels={"hf": Range("ppm", 0.0, 10.0)})
    assert _channel(park, Record(), own).maximum == 8.0
    assert _channel(park, Record(), foreign).maximum == park.quantities["hf"].maximum


def test_a_low_limit_makes_no_share(park: Catalogue) -> None:
    channel = _channel(park, Record(t=NOW, received=NOW, value=20.9), _sensor(OXYGEN), OXYGEN)
    assert channel.share == pytest.approx(20.9 / 23.5 * 100), "of the high side, 23.5 %vol"


def test_a_load_says_how_much_of_the_permit_is_used_and_when_it_runs_out(park: Catalogue) -> None:
    begin = budgets.begin_of(Period.YEAR, NOW)
    memory = budgets.memory_of(budgets.Load(begin, 18_000.0, 1_000, begin + 1_000 * 3_600_000))
    records = {load_series(COD): Record(memory={MEMORY: memory})}
    load_ = next(channels.loads(records, {COD: Location.OUTFALL}, park, NOW))
    assert (load_.mass, load_.budget, load_.share) == (18_000.0, 20_000.0, 1.0)
    assert load_.forecast == pytest.approx(18.0 * 8760)
    assert load_.runs_out is not None
    assert b"used=90.0" in encode_load(load_, NOW)


def test_a_budget_of_which_nothing_is_known_yet_is_told_as_well(park: Catalogue) -> None:
    load_ = next(channels.loads({}, {COD: Location.OUTFALL}, park, NOW))
    assert (load_.mass, load_.forecast, load_.runs_out) == (0.0, None, None)
    assert b"forecast" not in encode_load(load_, NOW)


def test_a_voting_group_counts_who_could_vote_and_who_does(park: Catalogue) -> None:
    series = {f"new-materials/hf-plant/hf-{n}/hf": Location.WORKPLACE for n in (101, 102, 103)}
    records = {name: Record(t=NOW, alarms={"hf-detector": Alarm(level=1)}) for name in list(series)[:2]}
    groups = {vote.limit: vote for vote in channels.groups(records, series, park, NOW)}
    vote = groups["hf-release"]
    assert (vote.votes, vote.needs, vote.detectors) == (2, 2, 3)
    assert b"alarm=true" in encode_vote(vote, NOW)
    assert "chlorine-release" not in groups, "no detector of chlorine there"


def test_a_line_has_the_quantity_as_a_choice_and_grafanas_unit(park: Catalogue) -> None:
    line = encode_channel(_channel(park, Record(t=NOW, received=NOW, value=1.0), _sensor(HF)), NOW).decode()
    assert r"zh=氟化氢|hf" in line
    assert r"en=Hydrogen\ fluoride|hf" in line
    assert 'grafana_unit="conmgm3"' in line
    assert (grafana_unit("%vol"), grafana_unit("")) == ("suffix: %vol", "short")


def test_all_lines_come_together(park: Catalogue) -> None:
    sensor = _sensor(HF)
    lines = channels.lines(_known({HF: Record(t=NOW, value=1.0)}, sensor), {HF: Location.WORKPLACE}, park)
    assert [line.split(b",", 1)[0] for line in lines] == [b"channel"]
