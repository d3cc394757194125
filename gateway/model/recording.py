"""What goes over one connection, byte by byte, and all that is needed to read it again: JSON Lines.

The first line has the gateway's version, the devices of the connection and their profiles as files (YAML), and what was
known about the devices. Every other line is one thing that happened, `at` seconds after `started`:

    {"at":0.004021,"sent":"000100000006010300000002"}
    {"at":0.009310,"heard":"0001000000070103040102abcd"}
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from gateway.model import strictjson
from gateway.model.device import Device
from gateway.model.document import MAX_BYTES, utf8
from gateway.model.dump import dump_devices, dump_profile
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import load_devices, load_profile
from gateway.model.plan import Facts
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.scalar import MAX_DEPTH
from gateway.model.template import OVERRIDES, PARAMETERS

VERSION = 1
"""Of the form of the file."""
MOST_SECONDS = 24 * 3600.0
"""A recording is no longer; what lies behind is no recording."""
MOST_BYTES = 16 * 2**20
"""Where a recording ends by itself; files up to four times as large are read."""
MOST_FRAME = 8192
"""Bytes that come at once; Modbus has at most 260."""

Kind: TypeAlias = Literal["sent", "heard", "framing", "closed", "gave_up", "facts", "end"]
"""`sent` and `heard`: bytes as they were on the wire. `framing`: which frames are spoken on the connection that was
opened. `closed`: it was, by whomever. `gave_up`: nobody waits for the answer any more. `facts`: a device is planned
anew with what was learned about it. `end`: why the recording ends."""
Tap: TypeAlias = Callable[[Kind, bytes | str], None]
"""Is told what goes over a connection while it does. Must not block or raise."""
_BYTES, _KINDS = ("sent", "heard"), get_args(Kind)


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing that happened."""

    at: float
    """Seconds after the start, in steps of a microsecond."""
    kind: Kind
    value: Any
    """Bytes of `sent` and `heard`, facts by device of `facts`, else text."""
    line: int = 0
    """In its file."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One connection for some time."""

    started: int
    """ns UTC."""
    service: str
    devices: Sequence[Device]
    """Everything on the connection."""
    profiles: Sequence[DeviceProfile] = ()
    """Theirs; one that is not here is a shipped one."""
    facts: Mapping[str, Facts] = field(default_factory=dict)
    """What was known at the start, by device."""
    compat: Compat = Compat.NONE
    """The gateway's setting."""
    version: str = ""
    """Of the gateway that recorded it."""
    frames: Sequence[Frame] = ()


def head_text(recording: Recording) -> str:
    """The first line."""
    head = {
        "recording": VERSION,
        "southgate": recording.version,
        "service": recording.service,
        "started": recording.started,
        "compat": recording.compat.value,
        "devices": dump_devices(recording.devices),
        "profiles": [dump_profile(profile) for profile in recording.profiles],
        "facts": {name: dict(facts) for name, facts in recording.facts.items() if facts},
    }
    return json.dumps(head, ensure_ascii=False, separators=(",", ":")) + "\n"


def frame_text(frame: Frame) -> str:
    """Any other line."""
    value = frame.value.hex() if isinstance(frame.value, bytes) else frame.value
    return json.dumps({"at": round(frame.at, 6), frame.kind: value}, ensure_ascii=False, separators=(",", ":")) + "\n"


def load_recording(text: bytes, file: str) -> Recording:
    """Raises ConfigError with the line and what is wrong with it."""
    if len(text) > MAX_BYTES:
        raise _wrong(file, 0, f"{len(text):,} bytes; at most {MAX_BYTES:,} are read")
    head, *rest = utf8(text, file).split(b"\n")
    if rest and not rest[-1].rstrip().endswith(b"}"):
        rest.pop()  # empty, or cut off in its midst as the recording was
    recording = _head(head, file)
    frames: list[Frame] = []
    last = 0.0
    for number, line in enumerate(rest, 2):
        if not line.strip():
            continue
        frames.append(frame := _frame(line, file, number))
        if frame.at < last:
            raise _wrong(file, number, f"at {frame.at:g} is before the line above, which is at {last:g}")
        last = frame.at
    return replace(recording, frames=frames)


class _Head(msgspec.Struct):
    recording: int
    service: str
    started: int
    devices: str
    southgate: str = ""
    compat: Compat = Compat.NONE
    profiles: list[str] = []
    facts: dict[str, dict[str, Any]] = {}


def _head(line: bytes, file: str) -> Recording:
    try:
        head = msgspec.convert(strictjson.read(line, MAX_DEPTH), _Head)
    except (strictjson.NotJson, msgspec.ValidationError) as error:
        what = f"this is no recording of southgate ({error}); its first line says what was recorded"
        raise _wrong(file, 1, what) from None
    if head.recording != VERSION:
        what = (
            f"a recording of form {head.recording}; this version reads form {VERSION}, a newer southgate perhaps more"
        )
        raise _wrong(file, 1, what)
    if not 0 <= head.started < 2**62:
        raise _wrong(file, 1, f"started {head.started} is no time in ns since 1970")
    return Recording(
        started=head.started,
        service=head.service,
        devices=load_devices(head.devices, f"{file}, devices").value,
        profiles=[load_profile(text, f"{file}, profile {i}").value for i, text in enumerate(head.profiles, 1)],
        facts=head.facts,
        compat=head.compat,
        version=head.southgate,
    )


def _frame(line: bytes, file: str, number: int) -> Frame:
    try:
        found = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise _wrong(file, number, f"not readable as a line of a recording: {error}") from None
    at, kinds = found.pop("at", None), list(found)
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at <= MOST_SECONDS:
        raise _wrong(file, number, f"at must be a number of seconds, 0 to {MOST_SECONDS:g}")
    if len(kinds) != 1 or kinds[0] not in _KINDS:
        raise _wrong(file, number, f"beside at there must be one of {', '.join(_KINDS)}")
    kind: Any = kinds[0]
    return Frame(float(at), kind, _value(kind, found[kind], file, number), number)


def _value(kind: Kind, value: Any, file: str, number: int) -> Any:
    if kind == "facts":
        if not isinstance(value, dict) or not all(isinstance(facts, dict) for facts in value.values()):
            raise _wrong(file, number, "facts must be a mapping of devices to what is known about them")
        return value
    if not isinstance(value, str):
        raise _wrong(file, number, f"{kind} must be text")
    if kind not in _BYTES:
        return value
    try:
        data = bytes.fromhex(value)
    except ValueError:
        raise _wrong(file, number, f"{kind} must be bytes in hexadecimal digits") from None
    if len(data) > MOST_FRAME:
        raise _wrong(file, number, f"{kind} has {len(data)} bytes; at most {MOST_FRAME} come at once")
    return data


def _wrong(file: str, line: int, what: str) -> ConfigError:
    return ConfigError([Problem("", what, file, line)])


PLACES = {"Address": "redacted"}
"""Protocol properties that say where a device is, and what stands for them."""


def redacted(recording: Recording, keys: Collection[str]) -> Recording:
    """Without names of devices and of where they are, and without what people wrote beside; of their protocols only
    those of `keys`. The frames stay: values are in them, and without them there is nothing to replay."""
    names = {device.name: f"device-{number}" for number, device in enumerate(recording.devices, 1)}
    return replace(
        recording,
        devices=[_anonymous(device, names[device.name], keys) for device in recording.devices],
        facts=_renamed(recording.facts, names),
        frames=[_without_names(frame, names) for frame in recording.frames],
    )


def _without_names(frame: Frame, names: Mapping[str, str]) -> Frame:
    if frame.kind in ("closed", "end"):
        return replace(frame, value="")
    return replace(frame, value=_renamed(frame.value, names)) if frame.kind == "facts" else frame


def _renamed(facts: Mapping[str, Facts], names: Mapping[str, str]) -> dict[str, Facts]:
    return {names[name]: known for name, known in facts.items() if name in names}


def _anonymous(device: Device, name: str, keys: Collection[str]) -> Device:
    protocols = {
        key: {property_: PLACES.get(property_, value) for property_, value in properties.items()}
        for key, properties in device.protocols.items()
        if key in keys
    }
    own = {key: value for key, value in device.properties.items() if key in (PARAMETERS, OVERRIDES)}
    bare: dict[str, Any] = dict.fromkeys(("id", "parent", "description", "service_name"), "")
    return device.model_copy(
        update={
            **bare,
            "name": name,
            "labels": [],
            "location": None,
            "tags": {},
            "properties": own,
            "protocols": protocols,
        }
    )
