"""What a simulated OPC UA server may do wrong, on purpose. Set at run time: per device and per server."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from asyncua import ua

from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError
from gateway.model.near import nearest

CODE = "BadDeviceFailure"


@dataclass(frozen=True, slots=True)
class Faults:
    """Of one device. All off by default."""

    bad: Mapping[str, str] = field(default_factory=dict)
    """By resource, the status code that its value has: `BadSensorFailure`, `UncertainLastUsableValue`."""
    deleted: tuple[str, ...] = ()
    """Resources whose nodes are not there."""


@dataclass(frozen=True, slots=True)
class ServerFaults:
    """Of the server of a device. All off by default."""

    silence: bool = False
    """Nothing is answered or told; connections stay."""
    delay: float = 0.0
    """Seconds before every answer."""
    frozen: bool = False
    """Subscriptions send keep-alives and never a value."""
    mute: bool = False
    """Subscriptions send nothing at all, also no keep-alive."""
    restart: float = 0.0
    """Seconds from one restart to the next; 0: none."""
    shuffle: float = 0.0
    """As `restart`, with other indexes of namespaces each time."""
    drop: float = 0.0
    """Seconds after which all subscriptions are forgotten without a word, again and again."""


NONE, SOUND = Faults(), ServerFaults()
_OF_SERVER = tuple(one.name for one in fields(ServerFaults))
_KNOWN = (*(one.name for one in fields(Faults)), *_OF_SERVER)
_TEXTS = (
    "silence, frozen, mute, delay=20ms, bad=RESOURCE or bad=RESOURCE:BadSensorFailure, delete=RESOURCE, restart=60s, "
    "shuffle=60s and drop=60s"
)


def changes_of(text: str, faults: Faults) -> dict[str, Any]:
    """One more fault, as the command line says it. Raises ConfigError listing what there is."""
    name, _, value = text.partition("=")
    try:
        if name in ("silence", "frozen", "mute") and value in ("", "true"):
            return {name: True}
        if name in ("delay", "restart", "shuffle", "drop"):
            return {name: _seconds(value)}
        if name == "bad" and value:
            resource, _, code = value.partition(":")
            return {"bad": {**faults.bad, resource: code or CODE}}
        if name == "delete" and value:
            return {"deleted": (*faults.deleted, value)}
    except ValueError as error:
        raise ConfigError(f"the fault {text!r} is not understood: {error}") from None
    raise ConfigError(f"the fault {text!r} is not understood; there are {_TEXTS}")


def _seconds(text: str) -> float:
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError("more than nothing was expected")
    return seconds


def change(faults: tuple[Faults, ServerFaults], **changes: Any) -> tuple[Faults, ServerFaults]:
    """Some fields changed. Raises ConfigError for unknown ones."""
    unknown = [name for name in changes if name not in _KNOWN]
    if unknown:
        raise ConfigError(f"there is no fault {unknown[0]!r}; there are {', '.join(_KNOWN)}")
    own = {name: value for name, value in changes.items() if name not in _OF_SERVER}
    of_server = {name: value for name, value in changes.items() if name in _OF_SERVER}
    for code in own.get("bad", {}).values():
        status_code(code)
    return replace(faults[0], **own), replace(faults[1], **of_server)


def status_code(name: str) -> int:
    """Of its name (Part 4, 7.39). Raises ConfigError naming the nearest."""
    codes = {key: value for key, value in vars(ua.StatusCodes).items() if key.startswith(("Bad", "Uncertain", "Good"))}
    if name not in codes:
        near = nearest(name, codes)
        hint = f"did you mean {near}?" if near else "such as BadSensorFailure"
        raise ConfigError(f"there is no status code {name!r}; {hint}")
    return int(codes[name])
