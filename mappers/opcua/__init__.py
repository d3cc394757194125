"""OPC UA: what needs no connection. asyncua is loaded with the first session."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.model.abilities import Scan
from gateway.model.certificate import Certificate
from gateway.model.contracts import Clock, DeviceProtocol, Mapper, Tape
from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.place import Place
from gateway.model.plan import Connection, Facts, PlannedDevice
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.reading import Source
from gateway.model.recording import Frame, Tap
from mappers.opcua import plan as planning
from mappers.opcua.address import OF_OPCUA
from mappers.opcua.endpoint import KEY, SERVICE, Endpoint, absent, examine, reach
from mappers.opcua.plan import OpcuaPlan
from mappers.opcua.point import locate
from mappers.opcua.status import WHEN_READ

if TYPE_CHECKING:
    from mappers.opcua.security.trustlist import TrustList

UNRECORDED = (
    "what goes over an OPC UA session is not recorded in this version; a packet capture (tcpdump) of the port is"
)


class OpcUa:
    """Fulfils `gateway.model.contracts.DeviceProtocol` and `gateway.model.abilities.Trusts`."""

    service = SERVICE
    keys: Sequence[str] = (KEY,)
    codes: Mapping[str, str] = WHEN_READ

    def __init__(self, place: Place) -> None:
        self._place = place
        self._meant: dict[str, dict[int, str]] = {}
        """By connection, what indexes of namespaces meant when they were first seen."""

    def recognises(self, profile: DeviceProfile) -> bool:
        """Whether any resource has an attribute that only OPC UA has."""
        return any(not OF_OPCUA.isdisjoint(resource.attributes) for resource in profile.device_resources)

    def check(self, profile: DeviceProfile, device: Device | None = None) -> list[Problem]:
        """Everything wrong with the attributes of a profile and the protocol properties of a device; files it names
        that are not there are a warning."""
        reached, found = (None, []) if device is None else examine(device, self._place.compat | profile.compat)
        if reached is not None and isinstance(settings := reached[0].settings, Endpoint):
            found += absent(settings, self._place.folder)
        for index, resource in enumerate(profile.device_resources):
            _, problems = locate(resource)
            where = f"deviceResources[{index}]"
            found += [Problem(f"{where}.{p.where}", p.what, severity=p.severity) for p in problems]
        return found + planning.unheard(profile, None if reached is None else reached[1])

    def connection(self, device: Device, compat: Compat = Compat.NONE) -> Connection:
        """Raises ConfigError."""
        return reach(device, compat | self._place.compat)[0]

    def mute(self, device: Device) -> str:  # noqa: ARG002
        """Servers answer."""
        return ""

    def plan(self, device: Device, sources: Sequence[Source], facts: Facts) -> OpcuaPlan:  # noqa: ARG002
        """Raises ConfigError."""
        return planning.plan(device, sources)

    def advice(self, planned: PlannedDevice) -> list[str]:  # noqa: ARG002
        """A server says itself how much it takes."""
        return []

    def open(self, connection: Connection, clock: Clock) -> Mapper[OpcuaPlan]:
        """Connects nothing."""
        from mappers.opcua.mapper import OpcuaMapper

        return OpcuaMapper(connection, clock, self._place, self._meant.setdefault(connection.key, {}))

    def scan(self, device: Device, profile: str, options: Mapping[str, Any], clock: Clock) -> Scan:
        """Options: `path` (text or a list), `node`, `max`, `depth`, `writable`. Raises ConfigError."""
        from mappers.opcua.discovery.asked import scan

        return scan(self.connection(device), profile, options, clock, self._place)

    async def discover(self, place: str, clock: Clock) -> Sequence[Device]:
        """Servers that a URL knows. Raises NotConnected, ConfigError."""
        from mappers.opcua.discovery.asked import discover

        return await discover(place, clock)

    def tap(self, connection: Connection, tap: Tap | None) -> None:  # noqa: ARG002
        """Raises ConfigError."""
        raise ConfigError(UNRECORDED)

    def replay(self, connection: Connection, clock: Clock, frames: Sequence[Frame]) -> Tape[OpcuaPlan]:  # noqa: ARG002
        """Raises ConfigError."""
        raise ConfigError(UNRECORDED)

    def certificates(self) -> Sequence[Certificate]:
        """See `Trusts`. Raises ConfigError when our own cannot be read."""
        return self._trusts.certificates()

    def trust(self, thumbprint: str) -> Certificate:
        """See `Trusts`."""
        return self._trusts.trust(thumbprint)

    def distrust(self, thumbprint: str) -> Certificate:
        """See `Trusts`."""
        return self._trusts.distrust(thumbprint)

    @property
    def _trusts(self) -> "TrustList":
        from mappers.opcua.security.trustlist import TrustList

        return TrustList(self._place)


def protocol(place: Place) -> DeviceProtocol[OpcuaPlan]:
    """For one gateway."""
    return OpcUa(place)
