"""Resources of sources as what they are on the wire."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.model.errors import ConfigError, Problem
from gateway.model.profile import Compat, DeviceResource
from gateway.model.reading import Source

P = TypeVar("P")
Locate = Callable[[DeviceResource, Compat], tuple[P | None, Sequence[Problem]]]
"""The point of a resource (None when there is an error), and everything wrong or doubtful."""


def points(sources: Sequence[Source], locate: Locate[P]) -> tuple[tuple[P, ...], ...]:
    """Per source, of its resources in order. Raises ConfigError with every error, each once."""
    found, problems = [], []
    for source in sources:
        mine = []
        for resource in source.resources:
            point, said = locate(resource, source.compat)
            if point is None:
                problems += [Problem(f"{resource.name}.{p.where}", p.what) for p in said if p.severity == "error"]
            else:
                mine.append(point)
        found.append(tuple(mine))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return tuple(found)
