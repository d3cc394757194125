"""Reads of virtual devices: the last values that rules gave."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.model.contracts import Clock
from gateway.model.errors import DeviceError
from gateway.model.plan import Facts
from gateway.model.reading import Event, Quality, Source

Last = dict[tuple[str, str], tuple[Any, Quality | None, int]]
"""By device and resource: value, quality where it is not good, origin."""


class _Plan(Protocol):
    @property
    def sources(self) -> Sequence[Source]: ...


class VirtualMapper:
    """Fulfils `gateway.model.contracts.Mapper`."""

    rest_after: float | None = None

    def __init__(self, last: Last, clock: Clock) -> None:
        self._last, self._clock = last, clock
        self.found: dict[str, Facts] = {}

    async def connect(self) -> None:
        """There is nothing to connect."""

    async def read(self, plan: _Plan, patience: float | None = None) -> list[Event]:  # noqa: ARG002
        """The last values again, each with its own time: a repeat, which is not kept or sent once more. Raises
        DeviceError for what no rule has given yet."""
        return [self._event(source) for source in plan.sources]

    def _event(self, source: Source) -> Event:
        found = [self._last.get((source.device, name)) for name in source.names]
        known = [(index, one) for index, one in enumerate(found) if one is not None]
        if not known:
            raise DeviceError("empty", f"no rule has given {source.device} {', '.join(source.names)} a value yet")
        quality = {at: bad for at, (_, (_, bad, _)) in enumerate(known) if bad is not None}
        return Event(
            source,
            self._clock.now(),
            [value for _, (value, _, _) in known],
            which=None if len(known) == len(found) else tuple(index for index, _ in known),
            quality=quality or None,
            times={at: origin for at, (_, (_, _, origin)) in enumerate(known)},
            repeat=True,
        )

    async def write(self, plan: _Plan, values: Mapping[str, Any]) -> Event | None:  # noqa: ARG002
        """Raises DeviceError: only rules write."""
        raise DeviceError("read-only", "only its rule gives a virtual resource its value")

    async def rest(self) -> None:
        """There is nothing to rest."""

    async def close(self) -> None:
        """There is nothing to close."""
