"""The world file: which devices are simulated, where, and what they do. Small YAML, strictly checked."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.model.duration import parse_duration
from gateway.model.load import load_model
from gateway.model.scalar import free


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceEntry(_Strict):
    """One simulated device, or `count` equal ones."""

    profile: str = Field(description="A profile file, relative to the world file, or the name of a shipped profile")
    name: str = Field(default="", description="Device name; the profile's file name where absent")
    parameters: dict[str, Any] = Field(
        default={}, description="Values for the profile's parameters; a list has one for each of `count`"
    )
    overrides: dict[str, Any] = Field(
        default={}, description="Other attributes and properties of single resources, as in device lists"
    )
    count: int = Field(default=1, ge=1, le=10000, description="So many: name-1, name-2 … on ports or units that follow")
    tcp: int | None = Field(default=None, ge=0, le=65535, description="TCP port; 0 or neither tcp nor rtu: a free one")
    rtu: str = Field(default="", description="Name of a serial line; devices that name the same line share it")
    unit: int = Field(default=1, ge=1, le=247, description="Modbus unit id")
    framing: Literal["tcp", "rtu"] = Field(default="tcp", description="rtu: RTU frames over the TCP connection")
    behaviours: dict[str, Any] = Field(
        default={}, description="By resource: {sine: {low: 0, high: 9, period: 60s}}, or a value"
    )
    faults: list[str] = Field(
        default=[],
        description="Modbus: silence, drop, garbage, wrong-unit, exception=4, delay=20ms, hole=10-20; "
        "OPC UA: silence, frozen, mute, delay=20ms, bad=Speed, delete=Speed, restart=60s, shuffle=60s, drop=60s",
    )
    server: str = Field(default="", description="Name of an OPC UA server; devices that name the same server share it")
    strict: bool = Field(default=False, description="Refuse every address that the profile does not name")
    properties: dict[str, Any] = Field(
        default={}, description="More protocol properties for the device list: MaxRegisters …"
    )
    interval: str = Field(default="1s", description="How often the device list has everything read")
    autoEvents: dict[str, str] = Field(  # noqa: N815  spelled as in device lists
        default={}, description="Instead of everything: source → interval for the device list"
    )

    @field_validator("behaviours", "properties", "parameters", "overrides", mode="before")
    @classmethod
    def _free(cls, value: Any) -> Any:
        return free(value)

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        parse_duration(value)
        return value


class LineEntry(_Strict):
    """A serial line: a pty that the simulator opens."""

    link: str = Field(default="", description="A lasting name for the pty in the file system")
    baud: int = Field(default=9600, gt=0)
    parity: Literal["N", "E", "O"] = "N"


class ServerEntry(_Strict):
    """An OPC UA server."""

    port: int = Field(default=0, ge=0, le=65535, description="0: the device's `tcp`, else a free one")
    policies: list[str] = Field(
        default=["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"],
        min_length=1,
        description="None, or a policy with both modes (Basic256Sha256) or one (Basic256Sha256/Sign)",
    )
    anonymous: bool = Field(default=True, description="Also who does not say who he is may come in")
    users: dict[str, str] = Field(default={}, description="Password by user name")
    certificates: list[str] = Field(default=[], description="Certificates of users (PEM or DER files) that may come in")
    identity: str = Field(
        default="", description="Folder that keeps the server's own certificate and key; without it new at each start"
    )
    history: int = Field(default=1000, ge=0, description="Values that each numeric node remembers; 0: no history")
    maxNodes: int = Field(  # noqa: N815  spelled as in device lists
        default=0, ge=0, description="Nodes of one call; more are refused. 0: any number"
    )


class WorldFile(_Strict):
    """All of it."""

    devices: list[DeviceEntry] = Field(min_length=1)
    lines: dict[str, LineEntry] = Field(default={}, description="Serial lines by the name that devices use")
    servers: dict[str, ServerEntry] = Field(default={}, description="OPC UA servers by the name that devices use")
    opcua: ServerEntry = Field(default=ServerEntry(), description="Of OPC UA devices that name no server")
    host: str = Field(default="127.0.0.1", description="Address that TCP ports listen on")
    unknown: Literal["silence", "exception"] = Field(
        default="silence", description="What a unit that is not there answers over TCP; a serial line is always silent"
    )
    seed: int = Field(default=0, description="Another seed, other values")
    refresh: str = Field(default="200ms", description="How often values are worked out at most")

    @field_validator("refresh")
    @classmethod
    def _refresh(cls, value: str) -> str:
        parse_duration(value)
        return value


def load_world(path: Path) -> WorldFile:
    """Raises ConfigError with file, line and what is wrong."""
    found = load_model(WorldFile, path.read_bytes(), str(path)).value
    servers = {name: _beside(entry, path.parent) for name, entry in found.servers.items()}
    return found.model_copy(update={"servers": servers, "opcua": _beside(found.opcua, path.parent)})


def _beside(entry: ServerEntry, folder: Path) -> ServerEntry:
    """Its files are relative to the world file."""
    certificates = [str(folder / name) for name in entry.certificates]
    identity = str(folder / entry.identity) if entry.identity else ""
    return entry.model_copy(update={"certificates": certificates, "identity": identity})
