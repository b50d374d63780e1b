from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, ConnackCode

from field.clock import ManualClock
from field.incidents import INCIDENTS, Incident, Script, UnknownIncidentError, choose
from field.plant import SENSORS, Form, SimulatedChannel, SimulatedSensor
from field.publish import _IN_FLIGHT, BEHIND, Progress, Simulation, run, simulate
from field.signals import DAY, HOUR, MINUTE, Noise, Steady, TankLevel
from field.simulated import Message, SimulatedPark, encode
from ingest.descriptors import describe
from park import units
from park.catalogue import Catalogue
from park.limits import Kind, Limit, Side
from park.sensors import Sensor
from park.topics import Values, parse
from park.words import Location, Names
from storage.configuration import load
from storage.mqtt import Announcement, Broker, Connection, Outage, RefusedError, Stopped
from tests.hearing import Hearing
from tests.servers import Mosquitto, eventually

CONFIG = Path(__file__).resolve().parent.parent / "config"
START = 1_750_000_000_000
CHANNELS = [(sensor, channel) for sensor in SENSORS for channel in sensor.channels]

# The strictest default set-points (reference: gas detection 100 % OEL, tanks, water, stacks, fenceline, ambient), in
# canonical units: what a quiet park must stay clear of, whether or not the configuration holds them all yet.
TANK = (15.0, 85.0)
CEILINGS = {
    "workplace": {
        "hf": 2.0, "hcl": 7.5, "cl2": 1.0, "nh3": 20.0, "h2s": 10.0, "so2": 5.0, "co": 20.0, "benzene": 3.0,
        "toluene": 50.0, "methanol": 25.0, "vinyl-chloride": 10.0, "ethylene-oxide": 2.0, "lel": 25.0, "nmhc": 6.0,
    },
    "stack": {"so2": 50.0, "nox": 100.0, "nmhc": 60.0, "hcl": 10.0, "fluoride": 3.0},
    "fenceline": {"nmhc": 4.0, "hcl": 0.05, "fluoride": 0.02},
    "ambient": {"no2": 0.08, "so2": 0.15, "co": 4.0, "o3": 0.16, "pm25": 0.06, "pm10": 0.12},
    "outfall": {"cod": 50.0, "nh3-n": 5.0, "tn": 15.0, "tp": 0.5, "fluoride-water": 8.0, "ph": 9.0},
    "process": {"level": 85.0},
}  # fmt: skip
FLOORS = {"oxygen": 19.5, "level": 15.0, "ph": 6.0}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(CONFIG)


def sensor_named(name: str) -> SimulatedSensor:
    return next(sensor for sensor in SENSORS if sensor.key.endswith("/" + name))


def canonical(channel: SimulatedChannel, value: float) -> float:
    return value / channel.per_canonical


# --- who is there ------------------------------------------------------------------------------------------------


def test_the_park_has_every_location_class_in_two_zones_behind_several_gateways() -> None:
    meters = [sensor for sensor in SENSORS if sensor.location is Location.METER]
    assert 75 <= len(SENSORS) - len(meters) <= 90
    assert {sensor.gateway for sensor in meters} == {"gw-meters"}
    assert len({sensor.key for sensor in SENSORS}) == len(SENSORS)
    for zone in ("new-materials", "riverside"):
        here = [sensor for sensor in SENSORS if sensor.zone == zone]
        assert {sensor.location for sensor in here} == set(Location) - {Location.SYSTEM}
        assert len({sensor.gateway for sensor in here}) >= 4
    assert {sensor.form for sensor in SENSORS} == set(Form)


def test_the_configuration_knows_all_that_the_park_says(catalogue: Catalogue) -> None:
    for sensor in SENSORS:
        assert sensor.site in catalogue.zones[sensor.zone].sites
        for channel in sensor.channels:
            quantity = catalogue.quantities[channel.quantity]
            conversion = units.conversion(quantity, channel.unit, sensor.location)
            assert conversion.canonical(channel.per_canonical) == pytest.approx(1.0), sensor.key
            assert quantity.minimum <= conversion.canonical(channel.minimum)
            assert quantity.maximum >= conversion.canonical(channel.maximum)
            if sensor.form in {Form.NUMBER, Form.OBJECT, Form.ARRAY}:
                # These say no unit: nothing must depend on who hears the descriptor first.
                assert channel.unit == quantity.unit, sensor.key


def test_descriptors_are_what_ingest_takes(catalogue: Catalogue) -> None:
    described = {topic: payload for own in SimulatedPark(1, START).descriptors().values() for topic, payload in own}
    assert len(described) == len(SENSORS)
    for sensor in SENSORS:
        payload = described[f"park/{sensor.key}/$meta"]
        known = describe(sensor.key, encode(payload), Sensor(sensor.key, 0), catalogue)
        assert known.names == sensor.names
        assert known.location is sensor.location
        assert known.interval == sensor.spacing
        assert known.gateway == sensor.gateway
        assert set(known.channels) == {channel.quantity for channel in sensor.channels}


# --- what is said ------------------------------------------------------------------------------------------------


def test_every_payload_form_of_the_contract_occurs() -> None:
    by_form: dict[Form, Message] = {}
    for message in SimulatedPark(1, START).readings(START, START + 30_000):
        name = message.topic.removeprefix("park/")
        sensor = next(one for one in SENSORS if name == one.key or name.startswith(one.key + "/"))
        by_form.setdefault(sensor.form, message)
    assert isinstance(by_form[Form.NUMBER].payload, float)
    assert by_form[Form.EPOCH].payload.keys() == {"v", "t", "u", "q"}  # type: ignore[union-attr]
    assert by_form[Form.RFC3339].payload["t"].endswith("+08:00")  # type: ignore[index,call-overload,union-attr]
    assert len(by_form[Form.OBJECT].payload["v"]) >= 2  # type: ignore[index,call-overload,arg-type]
    moments = by_form[Form.ARRAY].payload
    assert isinstance(moments, list)
    assert by_form[Form.ARRAY].readings > len(moments) > 1


def test_the_same_seed_tells_the_same_story_however_it_is_asked() -> None:
    park = SimulatedPark(7, START, INCIDENTS)
    whole = list(park.readings(START, START + 60_000))
    again = SimulatedPark(7, START, INCIDENTS)
    cuts = [START, START + 1, START + 17_321, START + 17_322, START + 45_000, START + 60_000]
    pieces = [one for begin, end in itertools.pairwise(cuts) for one in again.readings(begin, end)]
    assert pieces == whole
    assert [one.due for one in whole] == sorted(one.due for one in whole)
    other = list(SimulatedPark(8, START, INCIDENTS).readings(START, START + 60_000))
    assert [one.topic for one in other] == [one.topic for one in whole]
    assert [one.payload for one in other] != [one.payload for one in whole]


def test_every_sensor_keeps_its_interval() -> None:
    dues: dict[str, list[int]] = {}
    for message in SimulatedPark(1, START).readings(START, START + 2 * MINUTE):
        dues.setdefault(message.topic, []).append(message.due)
    for sensor in SENSORS:
        own = next(found for topic, found in dues.items() if f"{topic}/".startswith(f"park/{sensor.key}/"))
        assert {late - early for early, late in itertools.pairwise(own)} == {sensor.spacing}


def test_no_reading_is_stamped_after_it_is_due() -> None:
    for message in SimulatedPark(1, START).readings(START, START + 30_000):
        moments = message.payload if isinstance(message.payload, list) else [message.payload]
        for moment in moments:
            if isinstance(moment, dict) and isinstance(moment["t"], int):
                assert moment["t"] <= message.due


def test_speed_hurries_the_day_and_not_the_sensors() -> None:
    park = SimulatedPark(1, START, choose("tank-overfill"), speed=10)
    assert len(list(park.readings(START, START + 10_000))) == len(
        list(SimulatedPark(1, START).readings(START, START + 10_000))
    )
    assert park.incidents_at(START + 5_900) == ()
    assert park.incidents_at(START + 6_000) == ("tank-overfill",)
    with pytest.raises(ValueError, match="above 0"):
        SimulatedPark(1, START, speed=0)


def test_values_follow_the_day_and_each_other() -> None:
    park = SimulatedPark(3, START)
    noon = START - START % DAY + 4 * HOUR  # 12:00 in Shanghai
    days = [noon + day * DAY for day in range(30)]

    def mean(name: str, quantity: str, hour: int) -> float:
        sensor = sensor_named(name)
        channel = next(one for one in sensor.channels if one.quantity == quantity)
        return sum(park.value(sensor, channel, day + hour * HOUR) for day in days) / len(days)

    assert mean("air-952", "no2", 6) > 1.3 * mean("air-952", "no2", 18)
    boiler = sensor_named("stack-401")
    ratios = [park.value(boiler, boiler.channels[0], t) / park.value(boiler, boiler.channels[1], t) for t in days]
    assert max(ratios) < 1.35 * min(ratios), "SO2 and NOx follow the same load"
    one, other = sensor_named("tank-301"), sensor_named("tank-302")
    levels = [park.value(one, one.channels[0], t) + park.value(other, other.channels[0], t) for t in days]
    assert max(levels) - min(levels) < 1, "what one tank loses, the other gains"


def test_signals_stay_within_their_bounds() -> None:
    noise = Noise(5)
    for signal in (Steady(3.0, 1.0, 1.0, 0.5), Steady(1.0, 1.0, 1.0), TankLevel()):
        low, high = signal.bounds()
        values = [signal.at(START + step * 7_919_000, "a/b/c/d", noise) for step in range(5_000)]
        assert low <= min(values)
        assert max(values) <= high
        assert max(values) - min(values) > 0.6 * (high - low), "the bounds are not just wide"


def test_noise_is_spread_evenly_between_minus_one_and_one() -> None:
    noise = Noise(1)
    values = [noise.white("x", index) for index in range(20_000)]
    assert -1 <= min(values) < -0.99
    assert 0.99 < max(values) <= 1
    assert abs(sum(values) / len(values)) < 0.02


# --- a quiet park raises no alarm ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("sensor", "channel"), CHANNELS, ids=[sensor.series(channel) for sensor, channel in CHANNELS])
def test_a_quiet_signal_can_never_reach_the_default_limits(sensor: SimulatedSensor, channel: SimulatedChannel) -> None:
    low, high = channel.signal.bounds()
    ceilings = CEILINGS.get(sensor.location.value, {})
    free = {"temperature", "pressure", "flow-water", "oxygen"}
    metered = sensor.location is Location.METER
    assert metered or channel.quantity in ceilings.keys() | free, "a new quantity: say what it has to stay below"
    assert high <= 0.9 * ceilings.get(channel.quantity, float("inf"))
    assert low > 1.02 * FLOORS.get(channel.quantity, float("-inf"))


def test_a_quiet_signal_can_never_reach_a_configured_limit(catalogue: Catalogue) -> None:
    for sensor, channel in CHANNELS:
        for limit in catalogue.limits_for(sensor.series(channel), sensor.location, START):
            if limit.kind is Kind.THRESHOLD:
                assert clear_of(limit, channel.signal.bounds()), f"{sensor.series(channel)} can raise {limit.id}"


def clear_of(limit: Limit, bounds: tuple[float, float]) -> bool:
    mildest = limit.set_points[0].at
    return bounds[1] < mildest if limit.side is Side.HIGH else bounds[0] > mildest


@pytest.mark.parametrize("seed", [1, 2, 2026])
def test_quiet_days_stay_within_bounds_and_range(seed: int) -> None:
    park = SimulatedPark(seed, START)
    for sensor, channel in CHANNELS:
        low, high = channel.signal.bounds()
        resolution = 10.0**-channel.digits
        for t in range(START, START + 4 * DAY, 2_999_000):
            value = park.value(sensor, channel, t)
            assert channel.minimum <= value <= channel.maximum
            assert low - resolution <= canonical(channel, value) <= high + resolution


@pytest.mark.parametrize("seed", [1, 42])
def test_a_quiet_park_is_heard_without_a_rejection_a_bad_reading_or_an_alarm(seed: int, catalogue: Catalogue) -> None:
    hearing = heard(SimulatedPark(seed, START), catalogue, START, START + 5 * MINUTE)
    assert len(hearing.readings) > 10_000
    assert {reading.quality.value for reading in hearing.readings} == {"good"}
    assert not any(reading.late for reading in hearing.readings)
    assert hearing.transitions == []
    assert len(hearing.sensors) == len(SENSORS)


def heard(park: SimulatedPark, catalogue: Catalogue, begin: int, end: int) -> Hearing:
    hearing = Hearing(catalogue)
    for described in park.descriptors().values():
        for topic, payload in described:
            hearing.hear(topic, encode(payload), begin)
    for message in park.readings(begin, end):
        hearing.hear(message.topic, encode(message.payload), message.due)
    return hearing


# --- incidents -----------------------------------------------------------------------------------------------------


def levels(park: SimulatedPark, name: str, quantity: str, end: int, step: int = 1_000) -> list[tuple[int, float]]:
    """Return (seconds after the start, canonical value)."""
    sensor = sensor_named(name)
    channel = next(one for one in sensor.channels if one.quantity == quantity)
    times = range(0, end, step)
    return [(t // 1000, canonical(channel, park.value(sensor, channel, START + t))) for t in times]


def first_above(values: list[tuple[int, float]], bound: float) -> int | None:
    return next((second for second, value in values if value > bound), None)


def test_the_leak_reaches_three_detectors_one_after_another_and_passes() -> None:
    park = SimulatedPark(1, START, choose("hf-leak"))
    near, middle, far = (levels(park, name, "hf", 400_000) for name in ("hf-101", "hf-102", "hf-103"))
    assert (first_above(near, 4.0) or 99) <= 4 + 5, "level 2 within 5 s of the start of the leak"
    seen = [first_above(values, 2.0) for values in (near, middle, far)]
    assert None not in seen
    assert seen == sorted(set(seen), key=lambda second: second or 0)
    assert first_above(far, 4.0) is None
    assert max(value for _, value in near[200:]) < 1.0, "the cloud has gone"
    elsewhere = levels(park, "hf-104", "hf", 400_000)
    assert max(value for _, value in elsewhere) < 1.0


def test_the_tank_passes_high_then_high_high_and_comes_back() -> None:
    values = levels(SimulatedPark(1, START, choose("tank-overfill")), "tank-703", "level", 10 * MINUTE)
    high, higher = first_above(values, 85.0), first_above(values, 90.0)
    assert high is not None
    assert higher is not None
    assert 60 < high < higher < 300
    assert values[-1][1] < 85


def test_the_outfall_leaves_its_limit_and_returns() -> None:
    values = levels(SimulatedPark(1, START, choose("cod-excursion")), "out-901", "cod", 20 * MINUTE, 10_000)
    above = [second for second, value in values if value > 50.0]
    assert 150 < above[0] < 300
    assert 6 * 60 < above[-1] - above[0] < 12 * 60


def test_the_drifting_sensor_creeps_and_the_stuck_one_stands_still() -> None:
    park = SimulatedPark(1, START, choose("drifting-sensor,stuck-sensor"))
    drift = levels(park, "lel-702", "lel", 35 * MINUTE)
    assert max(value for _, value in drift[:360]) < 3
    assert 12 < max(value for _, value in drift) < 25, "a drift that no threshold sees"
    stuck = {value for _, value in levels(park, "reactor-202", "temperature", 35 * MINUTE)[480:]}
    assert len(stuck) == 1
    moving = {value for _, value in levels(park, "reactor-203", "temperature", 35 * MINUTE)[480:]}
    assert len(moving) > 100


def test_a_silent_gateway_says_nothing_for_its_time() -> None:
    park = SimulatedPark(1, START, choose("gateway-silent"))
    silence = range(START + 270_000, START + 510_000)
    spoken = [one.due for one in park.readings(START, START + 10 * MINUTE) if one.gateway == "new-materials/gw-polymer"]
    assert spoken
    assert not [due for due in spoken if due in silence]
    assert max(spoken) > silence.stop


def test_the_shipped_limits_tell_the_story_of_the_incidents(catalogue: Catalogue) -> None:
    hearing = heard(SimulatedPark(1, START, INCIDENTS), catalogue, START, START + 20 * MINUTE)
    story = [(one.series.split("/")[2], one.event.value, one.severity) for one in hearing.transitions]
    assert story == [
        ("hf-101", "raised", "high"),
        ("hf-101", "escalated", "high-high"),
        ("hf-102", "raised", "high"),
        ("hf-102", "escalated", "high-high"),
        ("hf-103", "raised", "high"),
        ("tank-703", "raised", "high"),  # how fast it rises
        ("hf-101", "eased", "high"),
        ("hf-102", "eased", "high"),
        ("hf-103", "returned", "high"),
        ("hf-101", "returned", "high"),
        ("hf-102", "returned", "high"),
        ("tank-703", "raised", "high"),
        ("tank-703", "escalated", "high-high"),
        ("out-901", "raised", "high"),
        ("tank-703", "returned", "high"),  # it rises no more
        ("tank-703", "raised", "low"),  # how fast it is pumped down
        ("tank-703", "eased", "high"),
        ("tank-703", "returned", "high"),
        ("tank-703", "returned", "low"),
        ("out-901", "returned", "high"),
    ]
    assert hearing.transitions[0].t - START < 10_000, "an alarm is on screen soon after the start"


def test_incidents_start_within_ten_minutes_and_come_back() -> None:
    script = Script(START, INCIDENTS)
    for incident in INCIDENTS:
        assert incident.offset <= 10 * MINUTE
        assert incident.lasts < incident.every
        for t in (START + incident.offset, START + incident.offset + incident.every):
            assert incident.name in script.names_at(t)
            assert incident.name not in script.names_at(t - 1)
    assert INCIDENTS[0].offset <= 5_000, "the first alarm has to be on screen soon"


def test_incidents_speak_of_series_and_gateways_that_exist() -> None:
    script = Script(START, INCIDENTS)
    assert script.series() <= {sensor.series(channel) for sensor, channel in CHANNELS}
    assert script.gateways() <= set(SimulatedPark(1, START).gateways)


def test_incidents_are_chosen_by_name() -> None:
    assert choose("all") == INCIDENTS
    assert choose("none") == ()
    assert [one.name for one in choose("cod-excursion, hf-leak,hf-leak")] == ["cod-excursion", "hf-leak"]
    with pytest.raises(UnknownIncidentError, match="no incident is called hf-lek; write all, none, or some of hf-leak"):
        choose("hf-leak,hf-lek")
    with pytest.raises(UnknownIncidentError):
        choose("")


def test_the_table_for_people_lists_every_incident() -> None:
    text = (CONFIG.parent / "docs" / "simulation.md").read_text(encoding="utf-8")
    for incident in INCIDENTS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{incident.name}`"))
        assert incident.names.zh in row
        assert f"{incident.offset // 1000} s" in row


# --- publishing ----------------------------------------------------------------------------------------------------


class FakeLink:
    """A gateway's connection that writes down what happens to it."""

    def __init__(self, gateway: str, diary: list[tuple[str, str]], clock: ManualClock) -> None:
        self.gateway = gateway
        self.diary = diary
        self.clock = clock
        self.published: list[tuple[int, str]] = []
        self.blocked_ms = 0

    def open(self) -> None:
        self.diary.append((self.gateway, "open"))

    def wait_until_up(self, stop: threading.Event) -> None:
        if stop.is_set():
            raise Stopped

    def publish(self, topic: str, payload: bytes, stop: threading.Event) -> None:
        del payload, stop
        self.clock.advance(self.blocked_ms)
        self.blocked_ms = 0
        self.published.append((self.clock.now_ms(), topic))

    def close(self, farewell: Announcement | None = None) -> None:
        self.diary.append((self.gateway, f"close {farewell.payload.decode() if farewell else ''}"))

    def join(self) -> None:
        self.diary.append((self.gateway, "join"))

    def vanish(self) -> None:
        self.diary.append((self.gateway, "vanish"))


class FakeField:
    """Gateways' connections by name, the announcements they were given, and a diary."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.diary: list[tuple[str, str]] = []
        self.links: dict[str, list[FakeLink]] = {}
        self.announced: dict[str, list[Announcement]] = {}
        self.wills: dict[str, Announcement] = {}
        self.stop = threading.Event()
        self.reports: list[Progress] = []

    def dial(self, gateway: str, announcements: list[Announcement], will: Announcement) -> FakeLink:
        link = FakeLink(gateway, self.diary, self.clock)
        self.links.setdefault(gateway, []).append(link)
        self.announced[gateway] = announcements
        self.wills[gateway] = will
        return link

    def run(self, seconds: float, *incidents: Incident) -> Progress:
        end = self.clock.now_ms() + seconds * 1000

        def report(progress: Progress) -> None:
            self.reports.append(progress)
            if self.clock.now_ms() >= end:
                self.stop.set()

        return run(Simulation(1, tuple(incidents)), self.dial, self.stop, report, self.clock)


def test_each_gateway_publishes_its_own_sensors_and_signs_off() -> None:
    field = FakeField()
    progress = field.run(62)
    assert set(field.links) == set(SimulatedPark(1, START).gateways)
    for gateway, links in field.links.items():
        zone, name = gateway.split("/")
        behind = [sensor.key for sensor in SENSORS if (sensor.zone, sensor.gateway) == (zone, name)]
        assert {sensor_of(topic) for _, topic in links[0].published} == set(behind)
        assert field.announced[gateway][0] == Announcement(f"park/{gateway}/$state", b"online")
        assert {one.topic for one in field.announced[gateway][1:]} == {f"park/{key}/$meta" for key in behind}
        assert field.wills[gateway] == Announcement(f"park/{gateway}/$state", b"offline")
        assert (gateway, "close offline") in field.diary
        assert field.diary.index((gateway, "join")) > field.diary.index((gateway, "close offline"))
    assert progress.messages == sum(len(link.published) for links in field.links.values() for link in links)
    assert progress.readings > progress.messages > 400
    assert progress.skipped_ms == 0


def sensor_of(topic: str) -> str:
    place = parse(topic)
    assert isinstance(place, Values)
    return f"{place.zone}/{place.site}/{place.sensor}"


def test_a_silenced_gateway_loses_its_connection_and_gets_a_new_one() -> None:
    gateway = "riverside/gw-eo"
    silence = Incident("quiet", Names("静", "quiet"), offset=3_000, lasts=6_000, silent=frozenset({gateway}))
    field = FakeField()
    field.run(15, silence)
    assert [what for who, what in field.diary if who == gateway] == ["open", "vanish", "open", "close offline", "join"]
    first, second = field.links[gateway]
    assert max(t for t, _ in first.published) < min(t for t, _ in second.published) - 5_000
    assert any(progress.silent == (gateway,) and progress.incidents == ("quiet",) for progress in field.reports)


def test_after_an_outage_the_park_goes_on_with_the_present() -> None:
    field = FakeField()
    real_dial = field.dial

    def dial(gateway: str, announcements: list[Announcement], will: Announcement) -> FakeLink:
        link = real_dial(gateway, announcements, will)
        link.blocked_ms = 60_000 if gateway == "new-materials/gw-hf" else 0
        return link

    field.dial = dial  # type: ignore[method-assign]
    progress = field.run(70)
    assert 55_000 < progress.skipped_ms < 60_000 + BEHIND
    counts = Counter(topic for links in field.links.values() for link in links for _, topic in link.published)
    assert max(counts.values()) < 20, "no backlog of a minute is sent"


def test_a_stop_before_the_broker_is_there_ends_quietly() -> None:
    field = FakeField()
    field.stop.set()
    assert field.run(1) == Progress()
    assert ("riverside/gw-eo", "join") in field.diary


def test_a_broker_address_that_cannot_be_used_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValueError, match="mqtt://host:1883"):
        Broker.of(SimpleNamespace(mqtt_url="127.0.0.1:1883", mqtt_ca=None))
    broker = Broker.of(SimpleNamespace(mqtt_url="mqtts://me:s%40t@broker", mqtt_ca="ca.pem"))
    assert (broker.port, broker.tls, broker.ca, broker.user, broker.password) == (8883, True, "ca.pem", "me", "s@t")
    assert broker.where == "broker:8883"


# --- on a real broker ------------------------------------------------------------------------------------------------


class Ear:
    """Subscribes to everything and keeps it."""

    def __init__(self, url: str) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self._client.subscribe("#", qos=1)
        self._client.loop_start()

    def _take(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload), message.retain))

    def on(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in list(self.heard) if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_the_simulated_park_speaks_to_a_real_broker(mosquitto: Mosquitto) -> None:
    gateway = "riverside/gw-eo"
    silence = Incident("quiet", Names("静", "quiet"), offset=1_500, lasts=1_500, silent=frozenset({gateway}))
    ear = Ear(mosquitto.url)
    stop = threading.Event()
    results: list[Progress] = []
    settings = SimpleNamespace(mqtt_url=mosquitto.url, mqtt_ca=None)
    arguments = (settings, Simulation(1, (silence,)), stop, results.append)
    thread = threading.Thread(target=lambda: results.append(simulate(*arguments)))
    thread.start()
    state = f"park/{gateway}/$state"
    eventually(lambda: ear.on(state) == [b"online", b"offline", b"online"], why="the will of a gateway that vanished")
    eventually(lambda: ear.on("park/new-materials/hf-plant/hf-101/hf"))
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    eventually(lambda: ear.on(state)[-1] == b"offline")
    # Several connections speak, so the last word of one may come after another's farewell. What the cut cable
    # still held is lost, as it would be.
    sent = results[-1].messages
    eventually(lambda: sum("/$" not in topic for topic, _, _ in list(ear.heard)) >= sent - _IN_FLIGHT)
    ear.close()
    late = Ear(mosquitto.url)
    eventually(lambda: len({topic for topic, _, retained in late.heard if retained}) == len(SENSORS) + 12)
    assert json.loads(late.on("park/riverside/outfall/out-901/$meta")[0])["location"] == "outfall"
    late.close()


def test_a_broker_that_comes_late_or_goes_away_is_waited_for(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto.kill()
    broker = Broker.of(SimpleNamespace(mqtt_url=mosquitto.url, mqtt_ca=None))
    outage = Outage(broker.where)
    stop = threading.Event()
    links = [Connection(broker, f"test-{number}", outage) for number in range(3)]
    for link in links:
        link.open()
    eventually(lambda: "is away" in caplog.text)
    mosquitto.start()
    for link in links:
        link.wait_until_up(stop)
        link.publish("park/a/b/c/d", b"1", stop)
        link.drain(stop)
    mosquitto.kill()
    eventually(lambda: not any(link.up for link in links))
    links[0].publish("park/a/b/c/d", b"2", stop)
    mosquitto.start()
    links[0].drain(stop)
    for link in links:
        link.close()
    for link in links:
        link.join()
    assert caplog.text.count("is away") == 2, "one line for all of them, each time"


def test_the_window_is_bounded_and_a_stop_is_heard(mosquitto: Mosquitto) -> None:
    broker = Broker.of(SimpleNamespace(mqtt_url=mosquitto.url, mqtt_ca=None))
    mosquitto.kill()
    link = Connection(broker, "test", Outage(broker.where), in_flight=3)
    link.open()
    stop = threading.Event()
    for _ in range(3):
        link.publish("park/a/b/c/d", b"1", stop)
    assert link.unanswered == 3
    stop.set()
    with pytest.raises(Stopped):
        link.publish("park/a/b/c/d", b"1", stop)
    with pytest.raises(Stopped):
        link.drain(stop)
    link.close()
    link.join()


def test_a_broker_that_refuses_us_is_an_error_that_says_what_to_set() -> None:
    broker = Broker.of(SimpleNamespace(mqtt_url="mqtt://127.0.0.1:1", mqtt_ca=None))
    link = Connection(broker, "test", Outage(broker.where))
    refusal = mqtt.convert_connack_rc_to_reason_code(ConnackCode.CONNACK_REFUSED_BAD_USERNAME_PASSWORD)
    link._connected(link._client, None, None, refusal, None)
    with pytest.raises(RefusedError, match="PARKWATCH_MQTT_URL"):
        link.wait_until_up(threading.Event())
