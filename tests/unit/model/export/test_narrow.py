"""Which records an exporter gets, and under which names."""

from gateway.model.edgexjson import event_json
from gateway.model.export.fields import reading_fields
from gateway.model.export.narrow import Selector
from gateway.model.export.settings import Only
from gateway.model.reading import Event, Quality
from tests.support.records import ORIGIN, event, message, source

NAMES = ("Voltage", "Current", "Power")


def test_everything_is_the_very_same_event() -> None:
    one = event(source(), 1)
    assert Selector(Only(), {})(one) is one
    assert Selector(Only(), {})(message(1)) is None


def test_by_device_and_source() -> None:
    select = Selector(Only(devices=["m[12]", "pump-*"], sources=["all"]), {})
    wanted = [
        select(event(source(device, name=name), 1)) is not None
        for device in ("m1", "m3", "pump-7")
        for name in ("all", "a")
    ]
    assert wanted == [True, False, False, False, True, False]


def test_only_some_resources_of_an_event() -> None:
    of = source(names=NAMES)
    quality = {0: Quality("bad", "timeout"), 2: Quality("bad", "nan")}
    given = Event(of, ORIGIN, [None, 2, None], quality=quality, times={1: 5, 2: 6}, offset=9)
    found = Selector(Only(resources=["C*", "Power"]), {})(given)
    assert isinstance(found, Event)
    assert (found.names(), found.values, found.offset) == (["Current", "Power"], [2, None], 9)
    assert (found.quality, found.times) == ({1: Quality("bad", "nan")}, {0: 5, 1: 6})
    assert given.which is None, "the journal's own event is not touched"


def test_of_an_event_that_has_only_some_values() -> None:
    select = Selector(Only(resources=["Power"]), {})
    of = source(names=NAMES)
    found = select(Event(of, ORIGIN, [1, 3], which=(0, 2)))
    assert isinstance(found, Event)
    assert (found.which, found.values, found.names()) == ((2,), [3], ["Power"])
    assert select(Event(of, ORIGIN, [1], which=(0,))) is None
    assert select(event(source(names=("Other",)), 1)) is None


def test_a_reading_has_the_id_that_rest_gives_whatever_else_is_wanted() -> None:
    given = event(source(names=NAMES), 1)
    shown = {one["resourceName"]: one["id"] for one in event_json(given)["readings"]}
    for only in (["Power"], ["C*", "Power"], []):
        found = Selector(Only(resources=only), {})(given)
        assert isinstance(found, Event)
        assert {one["resource"]: one["id"] for one in reading_fields(found, "g")}.items() <= shown.items()
    some = Event(given.source, given.origin, [1], which=(2,))  # what a keep rule left of it
    assert event_json(some)["readings"][0]["id"] == shown["Power"]


def test_other_names() -> None:
    select = Selector(Only(), {"Voltage": "u"})
    of = source(names=NAMES)
    first, second = select(event(of, 1)), select(event(of, 2))
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert list(first.names()) == ["u", "Current", "Power"]
    assert first.source is second.source, "made once"
    assert of.names == NAMES


def test_labels_are_those_the_device_has_now() -> None:
    labels = {"meter": ["energy"]}
    select = Selector(Only(labels=["en*"], messages=["alarm"]), {}, lambda device: labels.get(device, []))
    one = event(source(), 1)
    assert select(one) is one
    assert select(message(1)) is not None
    labels["meter"] = ["water"]
    assert select(one) is None
    assert select(message(1)) is None


def test_messages_alone() -> None:
    select = Selector(Only(readings=False, messages=["alarm"], devices=["meter"]), {})
    assert select(event(source(), 1)) is None
    assert select(message(1)) is not None
    assert select(message(1, "pump")) is None
