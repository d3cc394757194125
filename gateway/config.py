"""gateway.yaml → settings. Unknown keys are refused; paths are relative to the file."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from datastore.settings import JournalSettings
from gateway.api.settings import ApiSettings
from gateway.model.errors import ConfigError, Problem
from gateway.model.names import check_name
from gateway.model.profile import Compat
from gateway.northbound.settings import MqttSettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewaySettings(_Strict):
    """Who this gateway is and where its files are."""

    name: str = Field(default="southgate", description="Name of this gateway: part of every topic and of the MQTT client id")
    profiles: list[Path] = Field(
        default=[Path("profiles")], description="Folders of profile YAML; the shipped library is always there"
    )
    devices: Path = Field(
        default=Path("devices"), description="Folder of device YAML: the truth; changes made through the API are written to it"
    )
    data: Path = Field(default=Path("data"), description="Journal, twins, learned facts")
    compat: Compat = Field(default=Compat.NONE, description="`edgex`: upstream's quirks everywhere")
    aliases: dict[str, str] = Field(default={}, description="Other service names for ours: `my-modbus: device-modbus`")

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)


class CloudSettings(_Strict):
    """Where readings go and commands come from."""

    mqtt: MqttSettings | None = None


class Settings(_Strict):
    """The whole of gateway.yaml."""

    gateway: GatewaySettings = GatewaySettings()
    api: ApiSettings = ApiSettings()
    journal: JournalSettings = JournalSettings()
    cloud: CloudSettings = CloudSettings()
    exporters: dict[str, Any] = Field(default={}, max_length=0, description="None in this version")
    rules: list[Any] = Field(default=[], max_length=0, description="None in this version")
