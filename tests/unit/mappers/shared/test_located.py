"""Resources of sources, worked out by whatever protocol."""

import pytest

from gateway.model.errors import ConfigError, Problem
from gateway.model.profile import Compat, DeviceResource
from mappers.shared import located
from tests.unit.mappers.opcua.build import resource, source

WRONG = Problem("attributes.x", "is no x")


def locate(one: DeviceResource, compat: Compat) -> tuple[str | None, list[Problem]]:
    doubtful = Problem("attributes.y", "is doubtful", severity="warning")
    return (None if one.name == "bad" else f"{one.name} {compat}"), [WRONG, doubtful]


def test_points_stand_as_their_resources_do() -> None:
    sources = [source(resource("a"), resource("b")), source(), source(resource("a"))]
    assert located.points(sources, locate) == (("a none", "b none"), (), ("a none",))


def test_every_error_is_said_once_and_no_warning() -> None:
    bad = resource("bad")
    with pytest.raises(ConfigError) as error:
        located.points([source(bad), source(resource("a"), bad)], locate)
    assert error.value.problems == [Problem("bad.attributes.x", "is no x")]
