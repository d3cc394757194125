"""Topics and property keys of the cloud contract: built from names, taken apart into names."""

import re
from typing import NamedTuple

from gateway.model.names import check_name, decode_name, encode_name
from gateway.model.reading import Source

_KEY = re.compile(r"(?:[\w.\-]|%[0-9A-Fa-f]{2})+")
_NOT_IN_KEYS = re.compile(r"[^\w.\-]")
_MANY_SOURCES = 20_000


class Incoming(NamedTuple):
    """What an incoming topic means."""

    kind: str
    """`desired`, `get`, `cmd`, `read` or `rebirth`."""
    device: str = ""
    command: str = ""


class Topics:
    """All topics of one gateway."""

    def __init__(self, root: str, gateway: str) -> None:
        self.prefix = f"{root}/{encode_name(gateway)}"
        self.state = f"{self.prefix}/state"
        self.rebirth = f"{self.prefix}/rebirth"
        self._devices = f"{self.prefix}/d/"
        self._telemetry: dict[tuple[str, str], str] = {}

    def filters(self) -> list[str]:
        """What the gateway obeys."""
        d = f"{self._devices}+"
        return [self.rebirth, f"{d}/twin/desired", f"{d}/twin/get", f"{d}/cmd/+", f"{d}/read"]

    def device(self, device: str, rest: str) -> str:
        return f"{self._devices}{encode_name(device)}/{rest}"

    def telemetry(self, source: Source) -> str:
        key = (source.device, source.name)
        topic = self._telemetry.get(key)
        if topic is None:
            if len(self._telemetry) >= _MANY_SOURCES:
                self._telemetry.clear()
            topic = self._telemetry[key] = self.device(source.device, f"tele/{encode_name(source.name)}")
        return topic

    def result(self, device: str, command: str) -> str:
        return self.device(device, f"cmd/{encode_name(command)}/result")

    def alarm(self, device: str, name: str) -> str:
        """An alarm of a device, or of the gateway itself when `device` is empty."""
        if not device:
            return f"{self.prefix}/event/{encode_name(name)}"
        return self.device(device, f"event/{encode_name(name)}")

    def parse(self, topic: str) -> Incoming:
        """Raises ValueError for a topic that is none of `filters`, or whose names cannot be names."""
        if topic == self.rebirth:
            return Incoming("rebirth")
        if not topic.startswith(self._devices):
            raise ValueError(f"{topic!r} is not a topic of ours")
        match topic[len(self._devices) :].split("/"):
            case [device, "twin", "desired"]:
                return Incoming("desired", _name(device))
            case [device, "twin", "get"]:
                return Incoming("get", _name(device))
            case [device, "cmd", command]:
                return Incoming("cmd", _name(device), _name(command))
            case [device, "read"]:
                return Incoming("read", _name(device))
        raise ValueError(f"{topic!r} is not a topic that the gateway obeys")


def _name(level: str) -> str:
    return check_name(decode_name(level))


def encode_key(name: str) -> str:
    """A resource's name as a key of a twin document: letters of any script, digits, `_ - .` and `%` escapes."""
    return _NOT_IN_KEYS.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def decode_key(key: str) -> str:
    """The reverse. Raises ValueError."""
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"{key[:80]!r} is not the key of a property: letters, digits, _ - . are; write others as %20 and the like"
        )
    return check_name(decode_name(key))


def may_answer(topic: str, prefixes: list[str], own: str) -> bool:
    """Whether `topic` may be used as a response topic: under an allowed prefix, never under our own topics."""
    if not topic or len(topic.encode(errors="replace")) > 65535 or set(topic) & set("+#\0") or topic.startswith("$"):
        return False
    if topic == own or topic.startswith(f"{own}/"):
        return False
    return any(topic.startswith(prefix) for prefix in prefixes)
