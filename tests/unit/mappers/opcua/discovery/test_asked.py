"""Options of a profile scan, as REST brings them."""

from typing import Any

import pytest

from gateway.model.abilities import Discovers, Scans
from gateway.model.device import Device
from gateway.model.errors import ConfigError
from gateway.model.place import Place
from mappers.opcua import OpcUa
from tests.support.clock import MovingClock

DEVICE = Device(name="press", protocols={"opcua": {"Endpoint": "opc.tcp://127.0.0.1:4840"}})


def scan(options: dict[str, Any]) -> Any:
    return OpcUa(Place()).scan(DEVICE, "Press", options, MovingClock())


def test_opc_ua_scans_and_discovers() -> None:
    assert isinstance(OpcUa(Place()), Scans)
    assert isinstance(OpcUa(Place()), Discovers)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"path": "/Press/**"},
        {"path": ["/Press/**", "/Oven"], "max": 10, "depth": "3", "writable": "true", "node": "i=2253"},
        {"path": None, "max": None},
    ],
)
def test_options_that_are_taken(options: dict[str, Any]) -> None:
    made = scan(options)
    assert made.progress == "connecting"
    profile, notes = made.describe()
    assert (profile.name, profile.device_resources, notes) == ("Press", [], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"paths": "/Press"}, "path"),
        ({"path": 7}, "expected a browse path, or a list of them"),
        ({"path": ["/a//b"]}, "a name is empty"),
        ({"node": "Press"}, "expected a node id such as"),
        ({"max": 0}, "max"),
        ({"max": "many"}, "expected a whole number"),
        ({"depth": 1000}, "depth"),
        ({"writable": "perhaps"}, "expected true or false"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        scan(options)
