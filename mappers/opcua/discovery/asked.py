"""Discovery for whoever knows no protocol: profile scans with options, servers as devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.model.contracts import Clock
from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.place import Place
from gateway.model.plan import Connection
from gateway.model.profile import DeviceProfile
from mappers.opcua.discovery import servers
from mappers.opcua.discovery.names import Names
from mappers.opcua.discovery.scan import Scan, wish
from mappers.opcua.discovery.walk import Limits
from mappers.opcua.endpoint import KEY, SERVICE, Endpoint, reach
from mappers.shared.given import Flag, Whole, from_pydantic, unknown_keys


def _paths(given: Any) -> list[str]:
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError("expected a browse path, or a list of them")
    return found


class Options(BaseModel):
    """Of a profile scan."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: Annotated[list[str], BeforeValidator(_paths)] = Field(default=[])
    node: str = ""
    max: Annotated[Whole, Field(ge=1, le=1_000_000)] = Limits().nodes
    depth: Annotated[Whole, Field(ge=1, le=200)] = Limits().depth
    writable: Flag = False


@dataclass(slots=True)
class ProfileScan:
    """Fulfils `gateway.model.abilities.Scan`."""

    _scan: Scan
    _name: str

    @property
    def progress(self) -> str:
        return self._scan.progress

    async def run(self) -> None:
        await self._scan.run()

    def describe(self) -> tuple[DeviceProfile, Sequence[str]]:
        made = self._scan.describe(self._name)
        return made.profile, made.notes


def scan(connection: Connection, name: str, options: Mapping[str, Any], clock: Clock, place: Place) -> ProfileScan:
    """Raises ConfigError."""
    problems = [Problem(p.where, p.what) for p in unknown_keys(options, tuple(Options.model_fields))]
    try:
        given = Options.model_validate({key: value for key, value in options.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(problems + from_pydantic(error, {})) from None
    if problems:
        raise ConfigError(problems)
    limits = Limits(given.max, given.depth)
    return ProfileScan(
        Scan(connection, clock, place, wish(given.path, limits, given.node, writable=given.writable)), name
    )


async def discover(url: str, clock: Clock) -> Sequence[Device]:
    """A device for each server that is known at a URL, of the first endpoint of each. Raises NotConnected,
    ConfigError."""
    here = _device("asked", url)
    connection, _ = reach(here)
    assert isinstance(connection.settings, Endpoint)
    answer = await servers.ask(connection.settings, clock)
    names = Names()
    known = [server for server in answer.servers if server.urls]
    made = [_device(names.give((server.name,), "opcua"), server.urls[0], server.uri) for server in known]
    return made or [_device("opcua", url)]


def _device(name: str, url: str, uri: str = "") -> Device:
    return Device(
        name=name,
        description=uri,
        labels=["opcua", "discovered"],
        service_name=SERVICE,
        protocols={KEY: {"Endpoint": url}},
    )
