from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from field.clock import ManualClock
from field.recording import Recording, prepare
from field.replay import Pace, Progress, Summary, play, replay
from field.replay_map import ReplayInputError, load_map
from park.catalogue import Catalogue
from park.limits import Guidance, Kind, Limit, Match, SetPoint, Side
from park.topics import Meta, parse
from park.words import Location, Names, Priority, Quality
from storage.configuration import load
from storage.mqtt import Stopped
from tests.hearing import Hearing
from tests.occurrences import Count, count, count_values
from tests.servers import Mosquitto, eventually

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "config" / "maps" / "air_quality_uci.yaml"
EXCERPT = Path(__file__).resolve().parent / "fixtures" / "air_quality_uci_excerpt.csv"
START = 1_750_000_000_000
ROWS = 520

# Column, quantity, threshold in the file's unit and in the canonical one.
THRESHOLDS = [
    ("NO2(GT)", "no2", 200.0, 0.2),
    ("CO(GT)", "co", 10.0, 10.0),
    ("C6H6(GT)", "benzene", 30.0, 0.03),
    ("NO2(GT)", "no2", 100.0, 0.1),
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(ROOT / "config")


@pytest.fixture(scope="module")
def excerpt(catalogue: Catalogue) -> Recording:
    return prepare(EXCERPT, MAP, catalogue)


class Slate:
    """A connection that writes down what it is given, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.messages: list[tuple[int, str, bytes, bool]] = []
        self.drained_at: list[int] = []
        self.block_at: dict[int, float] = {}

    def publish(self, topic: str, payload: bytes, stop: threading.Event, *, retain: bool = False) -> None:
        if stop.is_set():
            raise Stopped
        self.clock.advance(self.block_at.get(len(self.messages), 0.0))
        self.messages.append((self.clock.now_ms(), topic, payload, retain))

    def drain(self, stop: threading.Event) -> None:
        if stop.is_set():
            raise Stopped
        self.drained_at.append(len(self.messages))

    @property
    def readings(self) -> list[tuple[int, str, Any]]:
        return [(at, topic, json.loads(payload)) for at, topic, payload, _ in self.messages if "/$" not in topic]


def played(recording: Recording, pace: Pace, block_at: dict[int, float] | None = None) -> tuple[Slate, Summary]:
    clock = ManualClock(START)
    slate = Slate(clock)
    slate.block_at = block_at or {}
    reports: list[Progress] = []
    summary = play(recording, slate, pace, reports.append, threading.Event(), clock)
    assert reports[-1] == Progress(len(recording.rows), len(recording.rows), summary.readings)
    assert [one.rows for one in reports] == sorted({one.rows for one in reports})
    return slate, summary


# --- the excerpt and the independent count -----------------------------------------------------------------------


def test_the_excerpt_holds_all_that_the_figures_need() -> None:
    assert count(EXCERPT, "NO2(GT)", 200) == Count(9, 498, 22)
    assert count(EXCERPT, "CO(GT)", 10) == Count(2, 513, 7)
    assert count(EXCERPT, "C6H6(GT)", 30) == Count(10, 505, 15)
    assert count(EXCERPT, "NO2(GT)", 100) == Count(29, 498, 22)


def test_a_missing_value_neither_raises_nor_clears() -> None:
    assert count_values([-200, 5, -200, 6, 1, -200, 1, 7], 4) == Count(2, 5, 3)
    assert count_values([4, 4.1, 4, 4.1], 4) == Count(2, 4, 0)
    assert count_values([9], 4) == Count(1, 1, 0)
    assert count_values([], 4) == Count(0, 0, 0)


# --- through parkwatch's pure parts ---------------------------------------------------------------------------------


def threshold(quantity: str, at: float) -> Limit:
    text = Names(zh="试", en="test")
    return Limit(
        id="test",
        kind=Kind.THRESHOLD,
        names=text,
        match=Match(quantities=(quantity,), locations=(Location.AMBIENT,)),
        side=Side.HIGH,
        set_points=(SetPoint("high", at, Priority.HIGH),),
        deadband=0.0,
        on_delay=0,
        off_delay=0,
        unit="mg/m3",
        source="test",
        clause=text,
        provenance="unverified",
        version="1",
        guidance=Guidance(text, text, text, 60),
    )


@pytest.mark.parametrize("case", THRESHOLDS)
@pytest.mark.parametrize("per_message", [1, 64])
def test_replayed_readings_give_the_figures_of_the_file(
    excerpt: Recording, catalogue: Catalogue, case: tuple[str, str, float, float], per_message: int
) -> None:
    column, quantity, shown, at = case
    slate, _ = played(excerpt, Pace(500, per_message))
    hearing = Hearing(catalogue, (threshold(quantity, at),))
    for received, topic, payload, _ in slate.messages:
        hearing.hear(topic, payload, received)
    own = [reading for reading in hearing.readings if reading.series.endswith(f"/{quantity}")]
    qualities = Counter(reading.quality for reading in own)
    expected = count(EXCERPT, column, shown)
    assert qualities == {Quality.GOOD: expected.good, Quality.FAILURE: expected.bad}
    assert len(hearing.raised("test")) == expected.occurrences
    assert not any(reading.late for reading in own)


# --- timing and form -------------------------------------------------------------------------------------------------


def test_every_reading_is_a_message_of_its_own_with_a_rising_time_never_in_the_future(excerpt: Recording) -> None:
    slate, summary = played(excerpt, Pace(300))
    by_topic: dict[str, list[int]] = {}
    for at, topic, payload in slate.readings:
        assert payload.keys() == {"v", "t", "u"}
        assert at - 50 <= payload["t"] <= at
        by_topic.setdefault(topic, []).append(payload["t"])
    assert by_topic.keys() == {f"park/riverside/air-station/aq-uci/{name}" for name in ("no2", "co", "benzene")}
    for times in by_topic.values():
        assert times == [times[0] + int(row * 1000 / 300) for row in range(ROWS)]
        assert len(set(times)) == ROWS
    assert summary.last_t - summary.first_t == int((ROWS - 1) * 1000 / 300)


@pytest.mark.parametrize("rate", [0.5, 7, 333.3, 999.9, 1000])
def test_times_rise_at_every_rate(rate: float) -> None:
    pace = Pace(rate)
    offsets = [pace.offset(row) for row in range(20_000)]
    assert len(set(offsets)) == len(offsets)
    assert offsets == sorted(offsets)


def test_the_descriptor_goes_out_first_and_is_answered_before_the_readings(
    excerpt: Recording, catalogue: Catalogue
) -> None:
    slate, _ = played(excerpt, Pace(1000))
    _, topic, payload, retained = slate.messages[0]
    assert (topic, retained) == ("park/riverside/air-station/aq-uci/$meta", True)
    assert isinstance(parse(topic), Meta)
    assert slate.drained_at == [1, len(slate.messages)]
    hearing = Hearing(catalogue)
    hearing.hear(topic, payload, START)
    sensor = hearing.sensors["riverside/air-station/aq-uci"]
    assert sensor.location is Location.AMBIENT
    assert sensor.interval == 3_600_000
    assert sensor.channels.keys() == {"co", "benzene", "no2"}


def test_rows_travel_together_when_asked(excerpt: Recording) -> None:
    slate, summary = played(excerpt, Pace(1000, per_message=100))
    sizes = [len(payload) for _, _, payload in slate.readings]
    assert sizes == [100, 100, 100, 100, 100, 20]
    assert summary.messages == 6
    at, topic, payload = slate.readings[0]
    assert topic == "park/riverside/air-station/aq-uci"
    assert payload[0]["u"] == {"co": "mg/m3", "benzene": "ug/m3", "no2": "ug/m3"}
    assert payload[-1]["t"] <= at
    assert payload[-1]["t"] - payload[0]["t"] == 99


def test_the_summary_counts_what_was_sent(excerpt: Recording) -> None:
    _, summary = played(excerpt, Pace(500))
    assert (summary.rows, summary.readings, summary.messages) == (ROWS, 3 * ROWS, 3 * ROWS)
    assert summary.by_quantity == {"co": ROWS, "benzene": ROWS, "no2": ROWS}
    assert summary.missing == {"co": 7, "benzene": 15, "no2": 22}
    assert summary.seconds == pytest.approx(ROWS / 500 + 1, abs=0.05)


def test_after_an_outage_the_rest_moves_to_the_present(excerpt: Recording) -> None:
    slate, summary = played(excerpt, Pace(100), {600: 300_000.0})
    ages = [at - payload["t"] for at, _, payload in slate.readings]
    assert sum(age > 2_000 for age in ages) <= 3, "only the row that was under way"
    assert min(ages) >= 0
    times = [payload["t"] for _, topic, payload in slate.readings if topic.endswith("/no2")]
    assert all(late > early for early, late in itertools.pairwise(times))
    assert summary.readings == 3 * ROWS


def test_a_stop_in_the_middle_is_heard(excerpt: Recording) -> None:
    clock = ManualClock(START)
    stop = threading.Event()

    def report(progress: Progress) -> None:
        if progress.rows > 100:
            stop.set()

    with pytest.raises(Stopped):
        play(excerpt, Slate(clock), Pace(100), report, stop, clock)


def test_a_pace_that_cannot_be_is_refused() -> None:
    for rate in (0, -1, 1001, float("nan")):
        with pytest.raises(ValueError, match="at most 1000"):
            Pace(rate)
    for size in (0, 1001):
        with pytest.raises(ValueError, match="1 to 1000"):
            Pace(10, size)


# --- what can be wrong with a file -----------------------------------------------------------------------------------


def problems_of(file: Path, map_file: Path, catalogue: Catalogue) -> list[str]:
    with pytest.raises(ReplayInputError) as caught:
        prepare(file, map_file, catalogue)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


HEADER = "time,CO(GT),C6H6(GT),NO2(GT)\n"
GOOD = "2004-03-10T18:00:00,2.6,11.9,113\n"


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(HEADER + GOOD + "yesterday,2.6,x,113\n2004-03-10T18:00:00,1,2\n2004-03-10T19:00:00,inf,,nan\n")
    assert problems_of(file, MAP, catalogue) == [
        "3: column 'time': 'yesterday' is not a time; write one such as 2004-03-10T18:00:00",
        "3: column 'C6H6(GT)': 'x' is not a number; write one such as 3.2, or nothing",
        "4: the row has 3 cells and the header 4; write one cell per column, empty if there is no value",
        "5: column 'CO(GT)': 'inf' is not a number; write one such as 3.2, or nothing",
        "5: column 'NO2(GT)': 'nan' is not a number; write one such as 3.2, or nothing",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "write a header line"),
        (HEADER, "the file has no rows"),
        ("time;CO(GT);C6H6(GT);NO2(GT)\n1;2;3;4\n", "by commas, not by semicolons"),
        ("time,CO,C6H6(GT),NO2(GT)\n" + GOOD, "no column 'CO(GT)', which the map asks for; write one of CO"),
        ("time,CO(GT),C6H6(GT),NO2(GT),CO(GT)\n", "the column 'CO(GT)' is there 2 times"),
        (HEADER + '2004-03-10T18:00:00,"2.6,11.9,113\n', "not CSV"),
    ],
)
def test_a_file_of_the_wrong_kind_is_refused(text: str, told: str, tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    assert told in "\n".join(problems_of(file, MAP, catalogue))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    assert "can't be read (No such file" in problems_of(tmp_path / "none.csv", MAP, catalogue)[0]
    file = tmp_path / "latin.csv"
    file.write_bytes(HEADER.encode() + b"\xb5\xff\n")
    assert "not UTF-8" in problems_of(file, MAP, catalogue)[0]


def test_a_file_full_of_nonsense_is_told_of_briefly(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(HEADER + "no,x,x,x\n" * 1000)
    told = problems_of(file, MAP, catalogue)
    assert len(told) == 51
    assert told[-1].endswith("and 3950 more problems in the rows below")


def test_empty_cells_are_not_sent(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "gaps.csv"
    file.write_text("\ufeff" + HEADER + GOOD + "\n2004-03-10T19:00:00, ,3.5,\n", encoding="utf-8")
    recording = prepare(file, MAP, catalogue)
    assert recording.rows == ((2.6, 11.9, 113.0), (None, 3.5, None))
    for per_message in (1, 10):
        slate, summary = played(recording, Pace(10, per_message))
        assert summary.readings == 4
        assert summary.by_quantity == {"co": 1, "benzene": 2, "no2": 1}
        assert len(slate.readings) == (4 if per_message == 1 else 1)


# --- what can be wrong with a map ------------------------------------------------------------------------------------


def test_the_map_that_ships_covers_the_range_of_the_data(catalogue: Catalogue) -> None:
    shipped = load_map(MAP, catalogue)
    assert [column.quantity for column in shipped.columns] == ["co", "benzene", "no2"]
    assert shipped.missing == {-200.0}
    assert "air-station" in catalogue.zones["riverside"].sites


def test_every_problem_of_a_map_is_told_at_once(tmp_path: Path, catalogue: Catalogue) -> None:
    text = MAP.read_text(encoding="utf-8")
    text = text.replace("zone: riverside", "zone: riversied").replace(
        "quantity: no2, unit: ug/m3", "quantity: no2, unit: furlong"
    )
    text = text.replace("quantity: co,", "quantity: coo,").replace("missing: [-200]", "missing: [-99]")
    text = text.replace("minimum: 0, maximum: 500", "minimum: 500, maximum: 0")
    bad = tmp_path / "map.yaml"
    bad.write_text(text, encoding="utf-8")
    lines = text.splitlines()

    def line(word: str) -> int:
        return 1 + next(number for number, line in enumerate(lines) if line.strip().startswith(word))

    told = problems_of(EXCERPT, bad, catalogue)
    assert [one.split(":", 1)[0] for one in told] == [
        str(line(word)) for word in ("zone", "missing", "missing", "CO(GT)", "C6H6(GT)", "NO2(GT)")
    ]
    whole = "\n".join(told)
    assert "did you mean 'riverside'" in whole
    assert "whose sentinels are -999, -9999, -200" in whole
    assert "quantity 'coo' is not configured; did you mean 'co" in whole
    assert "the range 500 to 0 is empty; write the smaller number as minimum" in whole
    assert "'furlong' is not a unit of no2; send mg/m3 or one of" in whole


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the map is no block of keys"),
        ("- a\n", "the map is no block of keys"),
        ("zone: [\n", "not valid YAML"),
        ("zone: a\nzone: b\n", "not valid YAML"),
        ("zone: riverside\n", "'columns' is missing; write columns: "),
        ("zonne: riverside\n", "unknown key 'zonne'; did you mean 'zone'?"),
    ],
)
def test_a_map_of_the_wrong_shape_is_refused(text: str, told: str, tmp_path: Path, catalogue: Catalogue) -> None:
    bad = tmp_path / "map.yaml"
    bad.write_text(text)
    assert told in "\n".join(problems_of(EXCERPT, bad, catalogue))


def test_a_map_that_cannot_be_read_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    assert "can't be read (No such file" in problems_of(EXCERPT, tmp_path / "none.yaml", catalogue)[0]
    bad = tmp_path / "map.yaml"
    bad.write_bytes(b"\xff\xfe\xff")
    assert "not UTF-8" in problems_of(EXCERPT, bad, catalogue)[0]


def test_a_column_may_have_a_sensor_of_its_own_but_no_quantity_comes_twice(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    text = MAP.read_text(encoding="utf-8")
    other = tmp_path / "map.yaml"
    other.write_text(text.replace("minimum: 0, maximum: 1000}", "minimum: 0, maximum: 1000, sensor: aq-no2}"))
    replay_map = load_map(other, catalogue)
    assert {sensor: set(own.quantities) for sensor, own in replay_map.descriptors().items()} == {
        "riverside/air-station/aq-uci": {"co", "benzene"},
        "riverside/air-station/aq-no2": {"no2"},
    }
    slate, _ = played(prepare(EXCERPT, other, catalogue), Pace(1000, 520))
    assert {topic.rsplit("/", 1)[1] for _, topic, _ in slate.readings} == {"aq-uci", "aq-no2"}
    other.write_text(text + "  PT08.S4(NO2): {quantity: no2, unit: ug/m3, minimum: 0, maximum: 5000}\n")
    assert (
        "comes from column 'NO2(GT)' already; give this column a sensor of its own"
        in problems_of(EXCERPT, other, catalogue)[0]
    )


# --- on a real broker ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_message", [1, 50])
def test_a_replay_over_a_real_broker_arrives_whole(mosquitto: Mosquitto, excerpt: Recording, per_message: int) -> None:
    heard: list[tuple[str, Any]] = []
    ear = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    ear.on_message = lambda _client, _data, message: heard.append((message.topic, json.loads(message.payload)))
    ear.connect("127.0.0.1", mosquitto.port)
    ear.subscribe("park/riverside/#", qos=1)
    ear.loop_start()
    settings = SimpleNamespace(mqtt_url=mosquitto.url, mqtt_ca=None)
    reports: list[Progress] = []
    summary = replay(excerpt, settings, Pace(1000, per_message), reports.append)
    eventually(lambda: len(heard) == summary.messages + 1)
    ear.disconnect()
    ear.loop_stop()
    assert summary.readings == 3 * ROWS
    assert heard[0][0].endswith("/$meta")
    assert len(reports) > 2
    if per_message == 1:
        sent = Counter(topic.rsplit("/", 1)[1] for topic, _ in heard[1:])
        assert sent == summary.by_quantity
