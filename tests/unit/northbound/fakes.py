"""Small stand-ins for what the cloud meets in the house, keeping the contracts, and sources and events to send."""

import json
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.model.command import Command, CommandResult, Desired
from gateway.model.device import DeviceState, Flow
from gateway.model.errors import CommandRejected
from gateway.model.profile import DeviceResource, ReadWrite, ResourceProperties, ValueType
from gateway.model.reading import Event, Source
from gateway.northbound.delivery import Outgoing
from gateway.northbound.settings import MqttSettings


def source(device: str, name: str, *resources: str, value_type: ValueType = ValueType.FLOAT64) -> Source:
    properties = ResourceProperties(value_type=value_type, read_write=ReadWrite.R)
    return Source(
        service="device-virtual",
        profile="meter",
        device=device,
        name=name,
        resources=tuple(DeviceResource(name=resource, properties=properties) for resource in resources),
        number=1,
    )


def event(of: Source, *values: Any, offset: int = 1, origin: int = 1_763_635_200_123_456_789, **more: Any) -> Event:
    return Event(of, origin, list(values), offset=offset, **more)


class Twins:
    """One dictionary per device; every `set` is a new version."""

    def __init__(self, *devices: str) -> None:
        self.values: dict[str, dict[str, Any]] = {device: {} for device in devices}
        self.versions: dict[str, int] = dict.fromkeys(devices, 1)
        self.changed: dict[str, dict[str, int]] = {device: {} for device in devices}
        self.states: dict[str, DeviceState] = {}

    def set(self, device: str, **values: Any) -> None:
        self.versions[device] += 1
        self.values[device] |= values
        self.changed[device] |= dict.fromkeys(values, self.versions[device])

    def add(self, device: str) -> None:
        self.values[device], self.versions[device], self.changed[device] = {}, 1, {}

    def remove(self, device: str) -> None:
        del self.values[device]

    def devices(self) -> Sequence[str]:
        return list(self.values)

    def state(self, device: str) -> DeviceState:
        return self.states.get(device, DeviceState(Flow.ONLINE, "", 5))

    def version(self, device: str) -> int:
        return self.versions[device]

    def document(self, device: str) -> dict[str, Any]:
        return {"version": self.versions[device], "ts": 7, "properties": dict(self.values[device]), "quality": {}}

    def patch(self, device: str, base: int) -> dict[str, Any] | None:
        names = [name for name, version in self.changed[device].items() if version > base]
        if not names:
            return None
        properties = {name: self.values[device][name] for name in names}
        return {"version": self.versions[device], "base": base, "ts": 7, "properties": properties, "quality": {}}


class Commands:
    """Remembers what it was asked; reads answer from `events`."""

    def __init__(self) -> None:
        self.accepted: list[Command] = []
        self.desires: list[Desired] = []
        self.events: dict[tuple[str, str], Event] = {}
        self.fails: Exception | None = None

    async def run(self, command: Command) -> CommandResult:
        raise NotImplementedError

    async def accept(self, command: Command) -> None:
        if self.fails is not None:
            raise self.fails
        self.accepted.append(command)

    async def read(self, device: str, name: str, regex: bool = True) -> Event:
        if self.fails is not None:
            raise self.fails
        try:
            return self.events[device, name]
        except KeyError:
            raise CommandRejected(404, f"{device} has no {name}") from None

    async def desire(self, desired: Desired) -> None:
        if self.fails is not None:
            raise self.fails
        self.desires.append(desired)


class State:
    """Tables in memory."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}

    def get(self, table: str, key: str) -> Any | None:
        return self.tables.get(table, {}).get(key)

    def all(self, table: str) -> dict[str, Any]:
        return dict(self.tables.get(table, {}))

    async def put(self, table: str, entries: Any, expires_at: int | None = None) -> None:
        self.tables.setdefault(table, {}).update(entries)

    async def remove(self, table: str, keys: Any) -> None:
        for key in keys:
            self.tables.get(table, {}).pop(key, None)


class Client:
    """The MQTT client, with everything delivered at once."""

    def __init__(self, **settings: Any) -> None:
        self.settings = MqttSettings(url="mqtt://127.0.0.1", response_prefixes=["replies/"], **settings)
        self.version = "5"
        self.generation = 1
        self.session_present = False
        self.reason = "lost"
        self.sent: list[Outgoing] = []
        self.acked: list[int] = []
        self.paused = False
        self.on_message: Any = None

    async def deliver(self, messages: Any) -> None:
        self.sent += messages

    def ack(self, message: MQTTMessage) -> None:
        self.acked.append(message.mid)

    def pause(self, paused: bool) -> None:
        self.paused = paused

    def said(self, ending: str) -> list[Any]:
        """Bodies on topics with this ending."""
        return [json.loads(m.payload) for m in self.sent if m.topic.endswith(ending) and m.payload]


def incoming(topic: str, payload: Any, retain: bool = False, mid: int = 1, **properties: Any) -> MQTTMessage:
    message = MQTTMessage(mid, topic.encode("utf-8", "surrogateescape"))
    message.payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    message.retain = retain
    message.qos = 1
    message.properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in properties.items():
        setattr(message.properties, name, value)
    return message
