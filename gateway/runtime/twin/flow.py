"""Whether values flow from a device: its state and the reason, from what was heard and from its connection."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.device import AdminState, Flow, OperatingState
from gateway.model.health import LaneReport
from gateway.model.plan import PlannedDevice
from gateway.model.reading import Quality, Source
from gateway.runtime.twin.lastvalues import NEVER, Slot, allowance

GRACE_S = 2.0
"""A connection that is back so soon was not worth telling."""

_TO_TRY = {
    "overflow": "the value does not fit its valueType; look at valueType, rawType and byteOrder",
    "nan": "the device says that it has no value now",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What holds now; equal as long as nothing worth telling has changed."""

    flow: Flow
    reason: str


@dataclass(slots=True, eq=False)
class _Count:
    flowing: int = 0
    waiting: int = 0
    silent: int = 0
    excuse: Slot | None = None
    name: str = ""


def judge(
    planned: PlannedDevice, slots: Mapping[Source, Slot], since: float, monotonic: float, lane: LaneReport | None
) -> Judgement:
    """Online while every polled source gives good values in time; degraded while some do, offline when none does,
    unknown before the first read. `since`: monotonic time at which this plan came into force."""
    if planned.made:
        return _made(slots)
    blocked = _blocked(planned)
    if blocked:
        return Judgement(Flow.UNKNOWN, blocked)
    count = _count(planned, slots, since, monotonic)
    if count.waiting and lane is not None and lane.state == "waiting":
        count.silent, count.waiting = count.silent + count.waiting, 0
    if not count.silent:
        return Judgement(Flow.ONLINE, "") if count.flowing else Judgement(Flow.UNKNOWN, "not read yet")
    return Judgement(Flow.DEGRADED if count.flowing else Flow.OFFLINE, _why(count, planned, lane))


def _made(slots: Mapping[Source, Slot]) -> Judgement:
    """What rules make has no period: it is well while the last values are."""
    if not slots:
        return Judgement(Flow.UNKNOWN, "no rule has given a value yet")
    bad = [slot for slot in slots.values() if _all_bad(slot)]
    if not bad:
        return Judgement(Flow.ONLINE, "")
    quality = next((q for slot in bad if slot.last and slot.last.quality for q in slot.last.quality.values()), None)
    why = f": {in_words(quality, {})}" if quality is not None else ""
    names = ", ".join(slot.last.source.name for slot in bad[:3] if slot.last)
    return Judgement(Flow.DEGRADED if len(bad) < len(slots) else Flow.OFFLINE, f"no good values of {names}{why}")


def _all_bad(slot: Slot) -> bool:
    event = slot.last
    return event is not None and bool(event.quality) and all(q.level == "bad" for q in (event.quality or {}).values())


def _blocked(planned: PlannedDevice) -> str:
    if planned.device.admin_state is AdminState.LOCKED:
        return "locked: it is not polled (adminState LOCKED)"
    if planned.device.operating_state is OperatingState.DOWN:
        return "taken out of operation by hand (operatingState DOWN)"
    if planned.mute:
        return f"it never answers: {planned.mute}"
    return "" if planned.polls else "nothing is polled: the device has no autoEvents"


def _count(planned: PlannedDevice, slots: Mapping[Source, Slot], since: float, monotonic: float) -> _Count:
    count = _Count()
    for poll in planned.polls:
        patience = allowance(poll.interval)
        for source in poll.sources:
            slot = slots.get(source)
            if slot is not None and _flows(slot, patience, monotonic):
                count.flowing += 1
            elif (slot is None or slot.heard == NEVER) and monotonic - since <= patience:
                count.waiting += 1
            else:
                count.silent += 1
                count.excuse, count.name = count.excuse or slot, count.name or source.name
    return count


def _flows(slot: Slot, patience: float, monotonic: float) -> bool:
    """A good read in time, and no bad news since that has not been mended: what is read once an hour is not online
    for three hours after its connection broke."""
    lost = slot.heard > slot.good and monotonic - slot.heard > GRACE_S
    return slot.good != NEVER and monotonic - slot.good <= patience and not lost


def _why(count: _Count, planned: PlannedDevice, lane: LaneReport | None) -> str:
    if lane is not None and lane.state != "connected" and lane.reason:
        _, _, place = lane.connection.rpartition("@")  # without the user
        return lane.reason if place in lane.reason else f"{lane.connection}: {lane.reason}"
    silence = lane.quarantined.get(planned.device.name) if lane is not None else None
    if silence is not None:
        return f"{silence.reason}; the gateway keeps trying"
    slot = count.excuse
    quality = next(iter(slot.last.quality.values()), None) if slot and slot.last and slot.last.quality else None
    if quality is None:
        return f"no values of {count.name} in time"
    return f"no good values of {count.name}: {in_words(quality, planned.codes)}"


def in_words(quality: Quality, codes: Mapping[str, str]) -> str:
    """What is wrong with a value, and what to try. `codes`: of its device's protocol."""
    text = f"{quality.reason}{' ' + quality.code if quality.code else ''}"
    if quality.reason == "refused":
        hint = codes.get(quality.code, "")
    else:
        hint = _TO_TRY.get(quality.reason) or codes.get(quality.reason, "")
    return f"{text}; {hint}" if hint else text
