"""What some mappers and protocols can do beside their contract: asked for with isinstance."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from gateway.model.certificate import Certificate
from gateway.model.contracts import Clock
from gateway.model.device import Device
from gateway.model.plan import Plan, Poll
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Event, Source

P_contra = TypeVar("P_contra", bound=Plan, contravariant=True)

Told = Callable[[list[Event]], None]
"""Takes what devices tell by themselves: raw values, one Event per source and notification. Never blocks, never
raises."""
Gaps = Mapping[str, tuple[int, int]]
"""By resource name, the source times (ns, both exclusive) between which values are missing."""


@runtime_checkable
class Subscribes(Protocol):
    """A mapper whose devices tell by themselves what has changed; asked for with isinstance. Its calls are made in the
    Lane's turn like every other, except `lost`."""

    @property
    def counts(self) -> Counter[str]:
        """What happened to subscriptions, by kind (`overflow`, `missed`, `resubscribed`, `unreadable`,
        `namespaces`); whoever takes it empties it."""
        ...

    @property
    def alive(self) -> bool:
        """The other side has been heard so recently that whatever it did not tell has not changed."""
        ...

    @property
    def skew_s(self) -> float | None:
        """Seconds that their clock is behind ours, median of the last times they told on this connection (time of
        receipt less their time, so that a slow network counts too); negative: ahead. None: not known."""
        ...

    @property
    def look_after(self) -> float:
        """Seconds from one `look` to the next."""
        ...

    async def subscribe(self, polls: Sequence[Poll], told: Told) -> Sequence[Poll]:
        """From now on `told` hears what changes in these polls' sources, sampled at their intervals and beginning with
        what they hold now; a poll (compared by identity) that was subscribed before goes on untouched, one that is no
        longer named ends. A source of several polls is told once, at the shortest of their intervals. Events carry the
        Source object of the poll. A value the server refuses is told once, as BAD with a reason, and tried again by
        `look`. Called again whenever the polls are others. Returns the polls that are to be read instead, because the
        server or the profile wants it. Raises NotConnected, NoAnswer."""
        ...

    async def look(self) -> None:
        """Whether what was told is still true: by the values themselves, not by the socket. Puts right what is not and
        tells what it found. Raises NotConnected, NoAnswer."""
        ...

    async def lost(self) -> str:
        """Waits while connected; returns why when the connection is gone, also while nothing is asked. Awaited for as
        long as the connection is used: a mapper may do its hearing here, and tells nothing while nobody awaits it."""
        ...


@runtime_checkable
class Tells(Protocol):
    """A plan that may be for devices that tell by themselves; asked for with isinstance."""

    @property
    def told(self) -> Collection[Source]:
        """Those of its sources that are to be subscribed; the others are read. A poll whose sources are all told asks
        for nothing at its interval and takes no time of the connection, unless the server does not take them."""
        ...


@runtime_checkable
class Backfills(Protocol[P_contra]):
    """A mapper whose devices remember; asked for with isinstance. What was missed while there was no connection the
    Lane knows by itself."""

    missed: Callable[[Iterable[Source]], None]
    """Set by the Lane; to be called, before anything new is told of them, with sources of which values may be missing
    though the connection stayed (a subscription that had died, a queue that ran over). Never blocks, never raises."""

    async def history(self, plan: P_contra, source: Source, gaps: Gaps) -> tuple[list[Event], Gaps]:
        """Some of what was missed by resources of one source of a plan: raw values marked historical, oldest first, the
        source time as origin, values of one time in one Event, never two of one resource and time; and what is still
        to be asked (empty: that was all). One short turn of the connection. Raises NotConnected, NoAnswer, DeviceError
        (there is no history of this source)."""
        ...


@runtime_checkable
class Trusts(Protocol):
    """A protocol whose devices prove with certificates who they are; asked for with isinstance. Files of the gateway's
    data folder are the truth, read at every connection."""

    def certificates(self) -> Sequence[Certificate]:
        """The gateway's own, those that are trusted, and those that were refused."""
        ...

    def trust(self, thumbprint: str) -> Certificate:
        """A certificate that was refused is accepted from now on. Raises ConfigError: nobody has shown such a one."""
        ...

    def distrust(self, thumbprint: str) -> Certificate:
        """Not accepted any more at the next connection. Raises ConfigError."""
        ...


class Scan(Protocol):
    """A device is being asked what it has. What was learned stays when it is cancelled."""

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        ...

    async def run(self) -> None:
        """Over a connection of its own. Raises NotConnected, NoAnswer, DeviceError, ConfigError."""
        ...

    def describe(self) -> tuple[DeviceProfile, Sequence[str]]:
        """The profile of what is known now; what was left out and why, in words."""
        ...


@runtime_checkable
class Scans(Protocol):
    """A protocol whose devices say what they have; asked for with isinstance."""

    def scan(self, device: Device, profile: str, options: Mapping[str, Any], clock: Clock) -> Scan:
        """For a profile of this name. Connects nothing. Raises ConfigError: an option is unknown or wrong."""
        ...


@runtime_checkable
class Discovers(Protocol):
    """A protocol that finds devices at places it is told; asked for with isinstance."""

    async def discover(self, place: str, clock: Clock) -> Sequence[Device]:
        """Devices that were found there, without a profile. Raises NotConnected; ConfigError: the place is none."""
        ...


@runtime_checkable
class Made(Protocol):
    """A protocol whose devices' values are made here and not fetched; asked for with isinstance."""

    def remember(self, event: Event) -> None:
        """The newest values, of one source, for whoever reads them."""
        ...
