"""Desired documents on their way in.

Checked here: JSON, shape, size (32 KB), depth (10), keys, and the epoch: a lower version of another epoch comes from a
cloud that was restored, or from an old queue; it is believed only when it is the retained document, fetched by
subscribing anew. Checked by `Commands.desire`: versions against the last applied (a lower one of the same epoch is
ignored, an equal one acknowledged again with the stored result), `expires_at`, and every property.

The retained copy is the offline queue: while a connection is being set up the documents are only collected, newest
wins, so that a superseded setpoint from the broker's queue is never written. Documents of devices that are not
configured wait (bounded) until they are; a device that is removed and added again gets its retained document anew.
"""

import logging
import math

from gateway.model.command import Desired
from gateway.model.contracts import Commands, State
from gateway.model.errors import CommandRejected, StoreFailed
from gateway.northbound.answers import Answers
from gateway.northbound.complaints import Complaints
from gateway.northbound.link import Link
from gateway.northbound.payload import MAX_DOCUMENT, DesiredBody, parse, salvage
from gateway.northbound.presence import Presence
from gateway.northbound.topics import decode_key

TABLE = "cloud-desired"
"""Device → [epoch, version] of the newest document handed on."""
FETCH_PAUSE_S = 5.0
"""Subscribing anew delivers every retained document, so it is not done more often than this."""
MAX_WAITING = 1000

log = logging.getLogger(__name__)


class DesiredInbox:
    """From payload to `Commands.desire`."""

    def __init__(self, link: Link, answers: Answers, presence: Presence, commands: Commands, state: State) -> None:
        self._link, self._answers, self._presence = link, answers, presence
        self._commands, self._state, self._counts = commands, state, link.counts
        self._complaints = Complaints(link.clock)
        self._seen: dict[str, tuple[str, int]] = {}
        self._handed: dict[str, tuple[str, int]] = {}
        self._collected: dict[str, tuple[Desired, bool]] | None = None
        self._waiting: dict[str, tuple[Desired, bool]] = {}
        self._here: set[str] = set()
        """Devices whose retained documents have been read."""
        self._fetch = False
        self._fetched_at = -math.inf

    def load(self) -> None:
        """Remembers what was handed on before the restart."""
        for device, entry in self._state.all(TABLE).items():
            match entry:
                case [str(epoch), int(version)]:
                    self._seen.setdefault(device, (epoch, version))

    def collect(self) -> None:
        """From here documents are only collected. A broker that lost its memory lacks our acknowledgements, too: each
        connection acknowledges its retained documents once."""
        self._collected = {}
        self._handed.clear()

    async def collected(self) -> None:
        """All retained documents have been read: hands the newest of each device on; from here they go straight on."""
        found, self._collected = self._collected or {}, None
        self._here = set(self._presence.devices)
        for desired, retained in found.values():
            await self._decide(desired, retained)

    async def take(self, device: str, payload: bytes, retained: bool) -> None:
        """A document as it arrived."""
        if not payload:
            self._counts["desired_cleared"] += 1
            return
        desired = self._read(device, payload)
        if desired is None:
            return
        if self._collected is None:
            await self._decide(desired, retained)
            return
        before = self._collected.get(device)
        if before is None or _newer(desired, retained, *before):
            self._collected[device] = desired, retained
        if before is not None:
            self._counts["desired_superseded"] += 1

    async def again(self) -> None:
        """Hands on what waited for its device. The document of a device that has come, or has come back, may have been
        read long ago, for another one of its name: it is fetched again."""
        here = set(self._presence.devices)
        for device in here - self._here:
            self._handed.pop(device, None)
            self._fetch = True
        self._here = here
        for device in [d for d in self._waiting if d in self._presence.devices]:
            await self._decide(*self._waiting.pop(device))

    def may_fetch(self) -> bool:
        """Whether it is time to subscribe anew; takes the wish back."""
        now = self._link.clock.monotonic()
        if not self._fetch or now - self._fetched_at < FETCH_PAUSE_S:
            return False
        self._fetched_at = now
        self._fetch = False
        return True

    def _read(self, device: str, payload: bytes) -> Desired | None:
        try:
            body = parse(payload, DesiredBody, MAX_DOCUMENT)
            properties = {_key(key): value for key, value in body.properties.items()}
        except CommandRejected as error:
            self._refuse(device, payload, error)
            return None
        return Desired(device, body.epoch, body.version, body.ts, properties, body.expires_at)

    def _refuse(self, device: str, payload: bytes, error: CommandRejected) -> None:
        self._counts[f"desired_refused_{error.code}"] += 1
        self._complaints.of(self._link.topics.device(device, "twin/desired"), error)
        version = salvage(payload, "version", int)
        if version is None and error.code != 413:
            return
        result = {
            "status": "rejected",
            "code": error.code,
            "value": None,
            "ts": self._link.clock.now(),
            "error": str(error),
        }
        body = {"version": version, "session": self._link.session, "results": {"*": result}}
        self._answers.put(self._link.topics.device(device, "twin/desired/ack"), body, retain=True)

    async def _decide(self, desired: Desired, retained: bool) -> None:
        device = desired.device
        if device not in self._presence.devices:
            self._wait(desired, retained)
            return
        seen = self._seen.get(device)
        if retained and self._handed.get(device) == (desired.epoch, desired.version):
            self._counts["desired_repeated"] += 1
            return
        if seen is not None and desired.epoch != seen[0] and desired.version <= seen[1] and not retained:
            self._counts["desired_other_epoch"] += 1
            log.warning(
                "Desired version %d of %s has another epoch; fetching the retained one", desired.version, device
            )
            self._fetch = True
            return
        await self._hand_on(desired, seen)

    async def _hand_on(self, desired: Desired, seen: tuple[str, int] | None) -> None:
        device, version = desired.device, (desired.epoch, desired.version)
        if seen is None or seen[0] != version[0] or seen[1] < version[1]:
            self._presence.hold(device, desired.version)
            self._seen[device] = version
            await self._remember(device, version)
        await self._commands.desire(desired)
        self._handed[device] = version
        self._counts["desired"] += 1

    async def _remember(self, device: str, version: tuple[str, int]) -> None:
        try:
            await self._state.put(TABLE, {device: list(version)})
        except StoreFailed:  # nothing is lost: the document itself is kept by the broker
            self._counts["desired_disk_failed"] += 1

    def _wait(self, desired: Desired, retained: bool) -> None:
        self._counts["desired_waiting"] += 1
        if desired.device not in self._waiting and len(self._waiting) >= MAX_WAITING:
            self._counts["desired_unknown_dropped"] += 1
            return
        before = self._waiting.get(desired.device)
        if before is None or _newer(desired, retained, *before):
            self._waiting[desired.device] = desired, retained


def _newer(desired: Desired, retained: bool, before: Desired, before_retained: bool) -> bool:
    if desired.epoch != before.epoch and retained != before_retained:
        return retained
    return desired.epoch != before.epoch or desired.version >= before.version


def _key(key: str) -> str:
    try:
        return decode_key(key)
    except ValueError as error:
        raise CommandRejected(400, str(error)) from None
