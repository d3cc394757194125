"""One act on a device: write, read back, compare. What happened is a value, never an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.model.command import SENT, Outcome
from gateway.model.contracts import Devices
from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected
from gateway.model.reading import Event, Source
from gateway.runtime.commands.ledger import plain
from gateway.runtime.commands.lookup import Wanted


@dataclass(frozen=True, slots=True)
class Happened:
    """How an act ended."""

    outcome: Outcome
    code: int
    error: str = ""
    readback: Mapping[str, Any] = field(default_factory=dict)
    event: Event | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What a method gave back."""


def refused(error: CommandRejected) -> Happened:
    """Nothing was written."""
    return Happened(Outcome.EXPIRED if error.code == 410 else Outcome.REJECTED, error.code, str(error))


async def actuate(devices: Devices, wanted: Wanted, back: Source | None, check: Callable[[], None]) -> Happened:
    """Writes, then reads `back` and compares; without `back` (nothing is readable) acceptance confirms. `check` raises
    CommandRejected when it may not be written any more."""
    left = False

    def leaves() -> None:
        nonlocal left
        check()
        left = True

    try:
        outputs = await devices.write(wanted.source, wanted.values, leaves)
    except DeviceError as error:
        return Happened(Outcome.FAILED, 502, f"the device refused: {error} (its code: {error.code})")
    except CommandRejected as error:
        return refused(error)
    except (NoAnswer, NotConnected) as error:
        if not left:
            return refused(CommandRejected(503, f"nothing was written: {error}"))
        if isinstance(error, NoAnswer):
            return Happened(Outcome.FAILED, 504, f"the device did not answer: {error}")
        return Happened(Outcome.FAILED, 504, f"the connection broke; whether it was written is not known: {error}")
    given = values_of(outputs) if outputs is not None else {}
    if back is None:
        return Happened(Outcome.CONFIRMED, 200, "", {}, outputs, given)
    return await read_back(devices, wanted, back, given)


def unheard(happened: Happened, why: str) -> Happened:
    """What was sent to a device that never answers: nobody confirms it, now or later."""
    if happened.outcome is not Outcome.CONFIRMED:
        return happened
    return replace(happened, outcome=Outcome.UNCONFIRMED, code=SENT, error=f"sent, and nobody confirms it: {why}")


async def read_back(
    devices: Devices, wanted: Wanted, back: Source, outputs: Mapping[str, Any] | None = None
) -> Happened:
    """Reads and compares. Whatever cannot be read leaves the act unconfirmed."""
    try:
        event = await devices.read(back)
    except (NotConnected, NoAnswer, DeviceError) as error:
        return Happened(
            Outcome.UNCONFIRMED, 409, f"written, but it could not be read back: {error}", outputs=outputs or {}
        )
    read = dict.fromkeys(back.names) | values_of(event)
    if wanted.confirmed_by(read):
        return Happened(Outcome.CONFIRMED, 200, "", read, event, outputs or {})
    return Happened(Outcome.UNCONFIRMED, 409, _difference(wanted, read, event), read, event, outputs or {})


def values_of(event: Event) -> dict[str, Any]:
    """Values by resource name, JSON-able."""
    return {name: plain(value) for name, value in zip(event.names(), event.values, strict=True)}


def _difference(wanted: Wanted, read: Mapping[str, Any], event: Event) -> str:
    """`wanted 21.5, read back 20.0`, or why nothing came back."""
    quality = {name: (event.quality or {}).get(i) for i, name in enumerate(event.names())}
    parts = []
    for name, value in read.items():
        bad = quality.get(name)
        got = f"could not be read back ({' '.join(bad[1:]).strip()})" if value is None and bad else f"read back {value}"
        parts.append(f"{name}: wanted {wanted.values[name]}, {got}")
    return "; ".join(parts)
