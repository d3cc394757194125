"""What the cloud always knows without asking: who is here, in what state, with which twin.

Everything is pulled from `Twins`; nothing is kept here but what was last said. Called once a second; a device's patches
therefore leave at most once a second.
"""

import logging
import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.model.contracts import Twins
from gateway.model.device import DeviceState
from gateway.northbound.delivery import Outgoing
from gateway.northbound.link import Link
from gateway.northbound.payload import MAX_DOCUMENT, encode, exact_values
from gateway.northbound.topics import encode_key

REBIRTH_PAUSE_S = 10.0
"""Births and documents on request, at most this often; a request in between is kept."""
HOLD_S = 30.0
"""How long patches of a device wait for the acknowledgement of a desired version."""
LOOKS = 10
"""Devices whose state is looked at per second besides those that were told to have changed."""

log = logging.getLogger(__name__)


class Presence:
    """See the module."""

    def __init__(self, link: Link, twins: Twins, software: str) -> None:
        self._link, self._twins, self._software = link, twins, software
        self._interval = link.client.settings.document_s
        self._devices: list[str] = []
        self._states: dict[str, DeviceState] = {}
        self._bases: dict[str, int] = {}
        self._seqs: dict[str, int] = {}
        self._documents_due: dict[str, float] = {}
        self._held: dict[str, tuple[int, float]] = {}
        self._pending: set[str] = set()
        self._noticed: dict[str, int] = {}
        self._acknowledged: dict[str, int] = {}
        """Device → offset of the newest acknowledgement sent."""
        self.announced: set[str] = set()
        """Devices of which something retained may lie at the broker."""
        self._changed: set[str] = set()
        self._round: deque[str] = deque()
        self._reborn_at = -math.inf

    # ---------------------------------------------------------------------------------------------------- what leaves

    def births(self) -> Iterator[Outgoing]:
        """Birth of the gateway, states and documents of all devices."""
        now = self._link.clock.monotonic()
        self._reborn_at = now
        self.follow_devices()
        yield self._birth()
        yield from self._cleared()
        for position, device in enumerate(self._devices):
            # Spread over the interval, so that a thousand devices do not speak in one second.
            self._documents_due[device] = now + self._interval * (1 + position / len(self._devices))
            yield self._state(device, self._twins.state(device))
            if device in self._held:
                self._bases.pop(device, None)  # its document follows the acknowledgement
            else:
                yield from self._document(device)

    def tick(self, rebirth: bool) -> Iterator[Outgoing | None]:
        """What is due now. `rebirth`: somebody asked for births. None between the devices: looking at all of them in
        one stretch would keep everybody else waiting, also when none has anything to say."""
        now = self._link.clock.monotonic()
        if rebirth and self.may_rebirth():
            yield from self.births()
            return
        if self.follow_devices():
            yield self._birth()
            yield from self._cleared()
        for device in self._to_look_at():
            state = self._twins.state(device)
            if state != self._states.get(device):
                yield self._state(device, state)
        for device in self._devices:
            yield from self._reported(device, now)
            yield None

    def farewell(self) -> Outgoing:
        """What the will says, said by ourselves."""
        return Outgoing(*self.will(self._link.topics.state, self._link.session), retain=True)

    @staticmethod
    def will(topic: str, session: str) -> tuple[str, bytes]:
        return topic, encode({"online": False, "session": session})

    def document(self, device: str) -> dict[str, Any] | None:
        """The full twin document as it leaves; None for a device that is not in force."""
        if device not in self._twins.devices():
            return None
        return self._shape(device, self._twins.document(device))

    # --------------------------------------------------------------------------------------------------- what is told

    @property
    def devices(self) -> list[str]:
        """In force when last looked."""
        return self._devices

    def follow_devices(self) -> bool:
        """Looks who is in force; True when that changed."""
        devices = list(self._twins.devices())
        if devices == self._devices:
            return False
        self._devices = devices
        self._round = deque(devices)
        return True

    def may_rebirth(self) -> bool:
        return self._link.clock.monotonic() - self._reborn_at >= REBIRTH_PAUSE_S

    def state_changed(self, device: str) -> None:
        """Look at this device with the next tick, rather than when its turn comes."""
        self._changed.add(device)

    def hold(self, device: str, version: int) -> None:
        """A desired version came in: no patch before its acknowledgement."""
        self._held[device] = version, self._link.clock.monotonic() + HOLD_S

    def is_newest(self, device: str, offset: int) -> bool:
        """Whether an acknowledgement may be what the broker keeps: not when it waited for the broker while a newer one
        went out, nor when its device is no more."""
        newest = offset >= self._acknowledged.get(device, 0) and device in self._devices
        if newest:
            self._acknowledged[device] = offset
        return newest

    def acknowledged(self, device: str, body: Mapping[str, Any]) -> None:
        """An acknowledgement has gone out."""
        held = self._held.get(device)
        if held is not None and body.get("version") == held[0]:
            del self._held[device]
        results = body.get("results") or {}
        pending = any(isinstance(r, Mapping) and r.get("status") == "pending" for r in results.values())
        (self._pending.add if pending else self._pending.discard)(device)

    # --------------------------------------------------------------------------------------------------------- inside

    def _to_look_at(self) -> set[str]:
        found, self._changed = self._changed & set(self._devices), set()
        for _ in range(min(LOOKS, len(self._round))):
            found.add(self._round[0])
            self._round.rotate(-1)
        return found

    def _birth(self) -> Outgoing:
        body = {
            "online": True,
            "session": self._link.session,
            "seq": 0,
            "ts": self._link.clock.now(),
            "software": self._software,
            "devices": self._devices,
        }
        return Outgoing(self._link.topics.state, encode(body), retain=True)

    def _state(self, device: str, state: DeviceState) -> Outgoing:
        self.announced.add(device)
        self._states[device] = state
        body = {"state": state.state, "reason": state.reason, "since": state.since, "session": self._link.session}
        return Outgoing(self._link.topics.device(device, "state"), encode(body), retain=True)

    def _cleared(self) -> Iterator[Outgoing]:
        """A device that is no more leaves nothing retained behind, also when it went while nobody was connected."""
        for device in self.announced - set(self._devices):
            self._forget(device)
            for rest in ("state", "twin/document", "twin/desired/ack"):
                yield Outgoing(self._link.topics.device(device, rest), b"", retain=True)
            self.announced.discard(device)

    def _forget(self, device: str) -> None:
        self._pending.discard(device)
        self._states.pop(device, None)
        self._bases.pop(device, None)
        self._documents_due.pop(device, None)
        self._held.pop(device, None)
        self._noticed.pop(device, None)

    def _reported(self, device: str, now: float) -> Iterator[Outgoing]:
        held = self._held.get(device)
        if held is not None:
            if now < held[1]:
                return
            self._link.counts["acknowledgement_missing"] += 1
            del self._held[device]
        if device not in self._bases or (self._interval and now >= self._documents_due.get(device, 0)):
            self._documents_due[device] = now + self._interval
            yield from self._document(device)
            return
        patch = self._twins.patch(device, self._bases[device])
        if patch is None or not self._may_follow(device, patch["version"]):
            return
        self._bases[device] = patch["version"]
        self._seqs[device] = self._seqs.get(device, 0) + 1
        yield from self._fitting(device, "twin/reported", self._shape(device, patch), retain=False)

    def _may_follow(self, device: str, version: int) -> bool:
        """While a desired value is pending, a change may be what it did: its acknowledgement, on its way through the
        journal, gets one second more."""
        if device not in self._pending or device in self._noticed:
            self._noticed.pop(device, None)
            return True
        self._noticed[device] = version
        return False

    def _document(self, device: str) -> Iterator[Outgoing]:
        document = self._twins.document(device)
        self._bases[device] = document["version"]
        self._noticed.pop(device, None)
        yield from self._fitting(device, "twin/document", self._shape(device, document), retain=True)

    def _fitting(self, device: str, rest: str, body: dict[str, Any], retain: bool) -> Iterator[Outgoing]:
        payload = encode(body)
        if len(payload) > MAX_DOCUMENT:
            self._link.counts["twin_too_large"] += 1
            log.warning("The twin of %s has %d bytes, more than %d; it is not sent", device, len(payload), MAX_DOCUMENT)
            return
        yield Outgoing(self._link.topics.device(device, rest), payload, retain)

    def _shape(self, device: str, twin: dict[str, Any]) -> dict[str, Any]:
        properties, texts = exact_values({encode_key(name): v for name, v in twin["properties"].items()})
        body = {
            "session": self._link.session,
            "seq": self._seqs.get(device, 0),
            **twin,
            "properties": properties,
            "quality": {encode_key(name): quality for name, quality in twin["quality"].items()},
        }
        if texts:
            body["i64"] = texts
        return body
