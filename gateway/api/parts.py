"""What the API is given: contracts, and the few snapshots that people look at."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from datastore.analysis.room import RuleRoom
from gateway.model.asking import Answers
from gateway.model.configuration import Difference
from gateway.model.contracts import Clock, Commands, Forwards, Lanes, Protocols, Publish, Registry, Store, Twins
from gateway.model.profile import Compat
from gateway.runtime.alarms import Alarms
from gateway.runtime.exports import Exports
from gateway.runtime.recorder import Recordings
from gateway.runtime.scanning import Scanning
from gateway.runtime.twin.lastvalues import Row

if TYPE_CHECKING:
    from datastore.history.history import History
    from datastore.history.rules import KeepRules


@dataclass(frozen=True, slots=True)
class Health:
    """Whether values flow. A closed socket alone is not ill; values that should come and do not are."""

    problems: tuple[str, ...] = ()
    """Plain sentences, worst first; empty: healthy."""

    @property
    def healthy(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the API talks to; `gateway.app` fills it in."""

    registry: Registry
    protocols: Protocols
    commands: Commands
    twins: Twins
    store: Store
    lanes: Lanes
    forwards: Forwards
    clock: Clock
    answers: Answers
    """For whoever asks what was: of the history, or of the journal where none is kept."""
    publish: Publish
    """For what others bring."""
    last: Callable[[str], Iterable[Row]]
    """Newest values of a device."""
    health: Callable[[], Health]
    name: str = "southgate"
    version: str = ""
    compat: Compat = Compat.NONE
    settings: Callable[[], Mapping[str, Any]] = dict
    """The settings in force for /config; secrets are file names, never their content."""
    metrics: Callable[[], Mapping[str, float]] = dict
    """More gauges for /metrics: name without the prefix → value (loop lag, memory)."""
    cloud: Callable[[], Mapping[str, int]] = dict
    """What the cloud room handled, ignored and refused, by cause."""
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where discoveries look, by service."""
    exports: Exports | None = None
    """Dead letters, and what is sent out of turn."""
    rules: RuleRoom | None = None
    """What is worked out of readings."""
    alarms: Alarms | None = None
    """What is raised."""
    history: "History | None" = None
    """What is kept for long; None: nothing is."""
    keep_rules: "KeepRules | None" = None
    again: Callable[[bool], Awaitable[tuple[Difference, Mapping[str, Sequence[str]]]]] | None = None
    """Reads all files again, or only says what that would change; names the `rules` and `exporters` that
    change, too. Raises ConfigError."""
    posted: dict[str, None] = field(default_factory=dict)
    """Ids of events that others brought lately, the oldest first."""
    scanning: Scanning = field(init=False)
    """Discoveries and profile scans."""
    recordings: Recordings = field(init=False)
    """Of connections, while somebody takes them."""

    def __post_init__(self) -> None:
        made = Recordings(self.protocols, self.registry, self.clock, self.compat, self.version)
        object.__setattr__(self, "recordings", made)
        object.__setattr__(self, "scanning", Scanning(self.protocols, self.registry, self.clock, self.places))


def _parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


House = Annotated[Parts, Depends(_parts)]
"""How a route asks for the parts."""
