"""Events become messages of the contract's shape, in order, as few as the rules allow."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.profile import ValueType
from gateway.model.reading import NAN, TIMEOUT, Event, Message, Quality, Source, refused
from gateway.northbound.delivery import Outgoing
from gateway.northbound.telemetry import MAX_MESSAGE, Telemetry, columns
from gateway.northbound.topics import Topics
from tests.unit.northbound.fakes import event, source

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/schemas/telemetry.json").read_text())
METER = source("meter 1", "all", "Voltage", "Current", "Mode")


def telemetry() -> Telemetry:
    return Telemetry(Topics("southgate/v1", "plant"), "01S", lambda device, name, origin: f"{device}-{name}-{origin}")


def messages(*records: Event | Message, limit: int = MAX_MESSAGE) -> list[tuple[str, dict[str, Any]]]:
    found = telemetry().messages(records, lambda m: Outgoing(f"said/{m.device}", b"{}"), limit)
    for one in found:
        if "tele" in one.topic:
            jsonschema.validate(json.loads(one.payload), SCHEMA)
    return [(one.topic, json.loads(one.payload)) for one in found]


def seqs(found: list[tuple[str, dict[str, Any]]]) -> list[list[int]]:
    return [[e["seq"] for e in body["events"]] for _, body in found if body]


def test_plain_event_has_the_contracts_shape() -> None:
    [(topic, body)] = messages(event(METER, 230.4, 1, "auto", offset=41877))
    assert topic == "southgate/v1/plant/d/meter 1/tele/all"
    assert body == {
        "session": "01S",
        "historical": False,
        "events": [
            {
                "seq": 41877,
                "id": "meter 1-all-1763635200123456789",
                "ts": 1763635200123456789,
                "v": {"Voltage": 230.4, "Current": 1, "Mode": "auto"},
            }
        ],
    }


def test_bad_values_are_null_and_named() -> None:
    quality = {0: Quality("uncertain", "stale"), 1: TIMEOUT, 2: refused("2")}
    [(_, body)] = messages(event(METER, 230.4, 17, None, quality=quality))
    [one] = body["events"]
    assert one["v"] == {"Voltage": 230.4, "Current": None, "Mode": None}
    assert one["q"] == {
        "Voltage": ["uncertain", "stale"],
        "Current": ["bad", "timeout"],
        "Mode": ["bad", "refused", "2"],
    }


def test_own_times_and_partial_events_are_told_by_name() -> None:
    [(_, body)] = messages(event(METER, 1.0, "auto", which=(1, 2), times={1: 99}, quality={0: NAN}))
    [one] = body["events"]
    assert one["v"] == {"Current": None, "Mode": "auto"}
    assert one["st"] == {"Mode": 99}
    assert one["q"] == {"Current": ["bad", "nan"]}


def test_integers_that_a_reader_would_round_leave_as_text() -> None:
    wide = source("d", "s", "A", "B", "C", value_type=ValueType.INT64)
    [(_, body)] = messages(event(wide, 2**53 + 1, -(2**63), 2**53))
    [one] = body["events"]
    assert one["v"] == {"A": "9007199254740993", "B": "-9223372036854775808", "C": 2**53}
    assert one["i64"] == ["A", "B"]


def test_arrays_of_wide_integers_leave_as_texts() -> None:
    wide = source("d", "s", "A", value_type=ValueType.UINT64_ARRAY)
    [(_, body)] = messages(event(wide, [1, 2**64 - 1]))
    assert body["events"][0]["v"] == {"A": ["1", "18446744073709551615"]}
    assert body["events"][0]["i64"] == ["A"]


def test_what_is_inside_an_object_is_exact_as_well() -> None:
    of = source("m1", "s", "O", "P", value_type=ValueType.OBJECT)
    wide = {"a": [{"count": 2**60}, 1], "b": "x"}
    found = columns(event(of, wide, {"a": [1, {"b": 2.5}]}))
    assert found["v"] == {"O": {"a": [{"count": str(2**60)}, 1], "b": "x"}, "P": {"a": [1, {"b": 2.5}]}}
    assert found["i64"] == ["O"]


def test_events_of_one_source_share_a_message_and_historical_ones_do_not_mix() -> None:
    old = [event(METER, 1, 2, "x", offset=n, historical=True) for n in (1, 2)]
    live = [event(METER, 1, 2, "x", offset=n) for n in (8, 9)]
    found = messages(old[0], live[0], old[1], live[1])
    assert seqs(found) == [[1, 2], [8, 9]]
    assert [body["historical"] for _, body in found] == [True, False]


def test_order_per_device_holds_across_its_sources_and_messages() -> None:
    other = source("meter 1", "other", "X")
    elsewhere = source("meter 2", "all", "X")
    said = Message("alarm", "meter 1", "hot", 5, {})
    found = messages(
        event(METER, 1, 2, 3, offset=1),
        event(elsewhere, 1, offset=2),
        event(other, 1, offset=3),
        event(METER, 1, 2, 3, offset=4),
        said,
        event(METER, 1, 2, 3, offset=6),
        event(elsewhere, 1, offset=7),
    )
    assert seqs(found) == [[1], [2, 7], [3], [4], [6]]
    assert [topic for topic, _ in found if "meter 1" in topic] == [
        "southgate/v1/plant/d/meter 1/tele/all",
        "southgate/v1/plant/d/meter 1/tele/other",
        "southgate/v1/plant/d/meter 1/tele/all",
        "said/meter 1",
        "southgate/v1/plant/d/meter 1/tele/all",
    ]


def test_messages_stay_under_the_limit() -> None:
    big = source("d", "s", *(f"Resource{n}" for n in range(100)))
    records = [event(big, *[1234.5] * 100, offset=n) for n in range(1, 101)]
    found = telemetry().messages(records, lambda m: Outgoing("", b""))
    assert len(found) > 1
    assert max(len(m.payload) for m in found) <= MAX_MESSAGE
    assert [o for m in found for o in m.offsets] == list(range(1, 101))
    assert all(len(m.payload) <= 5000 for m in telemetry().messages(records, lambda m: Outgoing("", b""), 5000))


@pytest.mark.parametrize("name", ["a/b", "+", "#", "$SYS", "100%", "温度", "Größe 1", "a%2Fb"])
def test_no_name_changes_the_levels_of_a_topic(name: str) -> None:
    [(topic, body)] = messages(event(source(name, name, name), 1.5))
    assert topic.count("/") == "southgate/v1/plant/d/x/tele/y".count("/")
    assert not set(topic) & set("+#$")
    assert body["events"][0]["v"] == {name: 1.5}


VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()


@given(st.lists(VALUES, min_size=1, max_size=8), st.booleans())
def test_every_value_leaves_as_json_that_reads_back(values: list[Any], historical: bool) -> None:
    of = source("d", "s", *(f"R{n}" for n in range(len(values))), value_type=ValueType.INT64)
    [(_, body)] = messages(event(of, *values, historical=historical))
    [one] = body["events"]
    for name, value in zip(of.names, values, strict=True):
        if type(value) is int:
            assert int(one["v"][name]) == value
            assert (name in one.get("i64", [])) == (abs(value) > 2**53)
        elif isinstance(value, float) and value - value != 0:
            assert one["v"][name] is None
        elif isinstance(value, bool | float | str) or value is None:
            assert one["v"][name] == value


def test_sources_are_told_apart_by_identity() -> None:
    before, after = METER, Source(METER.service, METER.profile, METER.device, METER.name, METER.resources, number=2)
    assert len(messages(event(before, 1, 2, 3, offset=1), event(after, 1, 2, 3, offset=2))) == 2
