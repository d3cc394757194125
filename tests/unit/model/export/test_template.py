"""Templates take words and nothing else."""

from typing import Any

import pytest

from gateway.model.export.fields import EVENT, READING, event_fields, identity, message_fields, reading_fields, rfc3339
from gateway.model.export.template import compiled, fits, words
from gateway.model.ids import event_id
from gateway.model.reading import Event, Quality
from tests.support.records import ORIGIN, event, message, source


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{value}", 2.5),
        ("plant/{device}/{resource}", "plant/meter 1/U"),
        ('{"v": {value}, "x": {}}', '{"v": 2.5, "x": {}}'),
        ({"v": "{value}", "{resource}": ["{device}", 1, None]}, {"v": 2.5, "U": ["meter 1", 1, None]}),
        ("{missing}{device}", "meter 1"),
        ("{flags}", [True]),
        ("is {flags}", "is [true]"),
        (7, 7),
    ],
)
def test_filling(template: Any, found: Any) -> None:
    assert compiled(template)({"value": 2.5, "device": "meter 1", "resource": "U", "flags": [True]}) == found


@pytest.mark.parametrize("text", ["{value.__class__}", "{value[0]}", "{value!r}", "{0}", "{value:>10}", "{{value}"])
def test_nothing_can_be_reached_through_a_place(text: str) -> None:
    """Proves part of T27: what is not one word is text."""
    assert words(text) <= {"value"}
    filled = compiled(text)({"value": "x"})
    assert filled == text.replace("{value}", "x")


def test_what_a_device_says_is_not_filled_again() -> None:
    assert compiled("a {value}")({"value": "{device}", "device": "d"}) == "a {device}"


def test_an_unknown_word_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"\{devise\} is not known; did you mean \{device\}"):
        fits({"a": ["{devise}"]}, EVENT)
    with pytest.raises(ValueError, match="there are gateway, device"):
        fits("{zzzzzz}", READING)
    fits({"{resource}": "{value}"}, READING)


def test_the_words_are_those_that_are_there() -> None:
    one = event(source(), 1)
    assert set(event_fields(one, "g")) == set(EVENT)
    assert all(set(fields) == set(READING) for fields in reading_fields(one, "g"))


def test_ids_are_those_of_rest_and_stay_the_same() -> None:
    one = Event(source(), ORIGIN, [1, None], quality={1: Quality("bad", "timeout")}, times={1: ORIGIN - 1})
    fields = event_fields(one, "g")
    assert fields["id"] == event_id("meter", "all", ORIGIN)
    assert fields["qualities"] == {"Current": ["bad", "timeout"]}
    assert fields["times"] == {"Current": ORIGIN - 1}
    first, second = reading_fields(one, "g")
    assert first["event"] == second["event"] == fields["id"]
    assert second["id"] == event_id("meter", "all", ORIGIN, 2)
    assert (second["origin"], second["quality"], second["reason"]) == (ORIGIN - 1, "bad", "timeout")
    assert identity(message(1)) == identity(message(1)) != identity(message(2))
    assert message_fields(message(1), "g")["state"] == "raised"


def test_times() -> None:
    assert rfc3339(ORIGIN + 7) == "2025-11-20T10:40:00.000000007Z"
