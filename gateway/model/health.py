"""What the runtime tells about itself, for REST, metrics and the command line. Snapshots, made on demand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class FlowReport:
    """One poll of one device: what was asked for and what is achieved."""

    device: str
    sources: tuple[str, ...]
    requested_s: float
    achieved_s: float | None
    """Mean period of the last good reads; None before the second."""
    last_good: int
    """ns UTC of the last read with at least one good value; 0: never."""
    reads: int
    failures: int
    overruns: int
    """Polls that were due while the one before had not been done."""
    answer_ms: float | None
    """Learned time from request to answer, median of the last ones."""
    mode: Literal["read", "subscribed"] = "read"
    """`subscribed`: its device tells by itself what changed; `reads` are notifications then, `overruns` none."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A unit that does not answer is asked less often, and briefly."""

    reason: str
    since: int
    next_probe_s: float
    """Seconds to its next probe."""
    cost: float
    """Share of the connection's last minute that waiting for it took, 0 to 1."""


@dataclass(frozen=True, slots=True)
class LaneReport:
    """One connection."""

    service: str
    connection: str
    state: str
    """`connected`, `connecting`, `waiting` (backing off), `closed`."""
    reason: str
    """Why it is not connected, plain words; empty when it is."""
    since: int
    next_try_s: float | None
    devices: tuple[str, ...]
    quarantined: Mapping[str, Silence]
    """By device."""
    requests: int
    errors: Mapping[str, int]
    """By kind: `not_connected`, `no_answer`, `device_error`, `bug`; where devices tell by themselves also what happened
    to their subscriptions (`overflow`, `missed`, `resubscribed`, `unreadable`, `namespaces`)."""
    connects: int
    busy: float
    """Share of the last minute the connection was in use, 0 to 1."""
    commands_waiting: int
    skew_s: float | None = None
    """Seconds that the clock of the other side is behind ours, negative: ahead; None: it does not tell the time."""
    filled: int = 0
    """Values that were missed and then fetched from the device's own memory."""
    notes: tuple[str, ...] = ()
    """What somebody should know though the connection is up: a clock far off, sources without a history."""


@dataclass(frozen=True, slots=True)
class ConsumerReport:
    """One consumer of the journal."""

    name: str
    connected: bool
    reason: str
    behind: int
    """Records not acknowledged."""
    oldest: int
    """Origin (ns) of the oldest unacknowledged record; 0 when none."""
    sent: int
    set_aside: int
    """Records the other side refused for good."""


@dataclass(frozen=True, slots=True)
class JournalReport:
    """The disk."""

    state: str
    """`ok`, or `failing: why`."""
    head: int
    committed: int
    records: int
    bytes: int
    """On disk, with WAL and indexes."""
    max_bytes: int
    oldest: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Records dropped, by cause: `full`, `age`, `failed`."""
    moved_aside: str = ""
    """Path of a corrupt file that was set aside at start."""
    whole_from: int = 1
    """The offset from which on all is kept; above the head when nothing is."""


@dataclass(frozen=True, slots=True)
class TierReport:
    """One kind of what the history keeps: `raw`, `minute`, `hour`, `messages`."""

    files: int
    rows: int
    bytes: int
    oldest: int
    """ns UTC of the oldest row."""
    newest: int


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """What is kept for long."""

    state: str
    """`ok`, or `failing: why`."""
    behind: int
    """Records of the journal that are not taken yet."""
    bytes: int
    """On disk, with the catalog."""
    max_bytes: int
    tiers: Mapping[str, TierReport]
    readings_per_s: float
    """Of the last hour; 0 before the second batch."""
    taken: Mapping[str, int]
    """Since the start: `records`, `readings`, of these `kept`, and `too_old`: of a time that is no longer kept."""
    moved_aside: str
    """Path of a damaged file or history that was set aside."""
    capacity_s: float | None
    """How long readings last until `max_bytes` is reached, at this rate; None: not known yet."""
    drain_s: float | None
    """How long taking what is behind takes."""
    written_per_year: float | None
    """Bytes that gateway and history send to the disk in a year at this rate: what wears flash out."""
    words: Sequence[str]
    """The same for people."""
