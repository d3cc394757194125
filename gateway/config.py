"""gateway.yaml → settings. Unknown keys are refused; paths are relative to the file."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from datastore.settings import JournalSettings
from gateway.api.settings import ApiSettings
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import load_model
from gateway.model.names import check_name
from gateway.model.place import Place
from gateway.model.profile import Compat
from gateway.northbound.settings import MqttSettings

if TYPE_CHECKING:
    from datastore.history.settings import KeepRule


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewaySettings(_Strict):
    """Who this gateway is and where its files are."""

    name: str = Field(
        default="southgate", description="Name of this gateway: part of every topic and of the MQTT client id"
    )
    profiles: list[Path] = Field(
        default=[Path("profiles")], description="Folders of profile YAML; the shipped library is always there"
    )
    devices: Path = Field(
        default=Path("devices"),
        description="Folder of device YAML: the truth; changes made through the API are written to it",
    )
    data: Path = Field(default=Path("data"), description="Journal, twins, learned facts")
    compat: Compat = Field(default=Compat.NONE, description="`edgex`: upstream's quirks everywhere")
    aliases: dict[str, str] = Field(default={}, description="Other service names for ours: `my-modbus: device-modbus`")

    _folder: Path = PrivateAttr(default=Path())
    _file: Path | None = PrivateAttr(default=None)

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)

    @property
    def place(self) -> Place:
        """What protocols need to know of it."""
        return Place(self.name, self.data, self._folder, self.compat)

    @property
    def file(self) -> Path | None:
        """Where it stands; None: nowhere."""
        return self._file

    def in_file(self, file: Path) -> Self:
        """The same, said to stand in this file."""
        self._file, self._folder = file, file.parent
        return self


class CloudSettings(_Strict):
    """Where readings go and commands come from."""

    mqtt: MqttSettings | None = None


class Settings(_Strict):
    """The whole of gateway.yaml, where it has no exporters; else `gateway.exporting.WithExporters`."""

    gateway: GatewaySettings = GatewaySettings()
    api: ApiSettings = ApiSettings()
    journal: JournalSettings = JournalSettings()
    history: Any = Field(default=None, description="See gateway.exporting")
    cloud: CloudSettings = CloudSettings()
    discovery: dict[str, list[str]] = Field(
        default={},
        description="Where `POST /discovery` of a device service looks: `device-opcua: [opc.tcp://192.168.1.5:4840]`",
    )
    exporters: dict[str, Any] = Field(default={}, max_length=0, description="See gateway.exporting")
    rules: list[Any] = Field(
        default=[], description="Rules over the live stream; each has a `name` and a `kind`: docs/reference/rules.md"
    )

    def keep_rules(self) -> "list[KeepRule]":
        """Those of the history."""
        return list(self.history.keep) if self.history is not None else []

    @field_validator("rules")
    @classmethod
    def _rules(cls, given: list[Any]) -> list[Any]:
        if not given:
            return given
        from datastore.analysis.loading import rules_of  # costs a tenth of the start; most gateways have none

        return rules_of(given)


def load_settings(path: Path) -> Settings:
    """gateway.yaml with every relative path made relative to the file's folder. Raises ConfigError naming file, line
    and key of everything that is wrong."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; --config names the settings file, gateway.yaml") from None
    folder = path.absolute().parent
    settings = _anchored(load_model(_model_for(text), text, str(path)).value, folder)
    settings.gateway.in_file(path.absolute())
    return settings


def _model_for(text: bytes) -> type[Settings]:
    """The kinds of exporters and of keep rules are types that take time and memory at every start: only who has some
    pays for them."""
    if b"exporters" not in text and b"history" not in text:
        return Settings
    from gateway.exporting import WithExporters

    return WithExporters


def missing_folders(gateway: GatewaySettings) -> list[Problem]:
    """A folder that gateway.yaml names and that is not there is rather a slip than an empty one: a warning. The folders
    nobody named need not be there."""
    named = {"gateway.profiles": gateway.profiles, "gateway.devices": [gateway.devices]}
    return [
        Problem(key, f"there is no folder {folder}", severity="warning")
        for key, folders in named.items()
        if key.partition(".")[2] in gateway.model_fields_set
        for folder in folders
        if not folder.is_dir()
    ]


def unreadable_secrets(settings: Settings) -> list[Problem]:
    """Every token, password and certificate file that cannot be read; the gateway would not start, or never reach its
    cloud."""
    problems = []
    for key, path in _files(settings):
        try:
            path.open("rb").close()
        except OSError as error:
            problems.append(Problem(key, f"{path} cannot be read: {error.strerror}"))
    if settings.api.token_file is not None and not problems:
        from gateway.api.border import Token

        try:
            Token(settings.api.token_file)
        except ConfigError as error:
            problems += error.problems
    return problems


def missing_extras(settings: Settings) -> list[Problem]:
    """Every exporter whose library is not installed, and the history's; the gateway would not start."""
    found = []
    for ready in _ready(settings):
        try:
            ready()
        except ConfigError as error:
            found += error.problems
    return found


def _ready(settings: Settings) -> Iterator[Callable[[], None]]:
    """Each raises ConfigError."""
    if settings.history is not None:
        from datastore.history.history import check_extra

        yield check_extra
    if settings.exporters:
        from datastore.exporters.build import check

        for name, exporter in settings.exporters.items():
            yield functools.partial(check, name, exporter)


def _files(model: BaseModel, where: str = "") -> Iterator[tuple[str, Path]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _files(value, f"{where}{name}.")
        elif isinstance(value, dict):
            for key, one in value.items():
                if isinstance(one, BaseModel):
                    yield from _files(one, f"{where}{name}.{key}.")
        elif isinstance(value, Path) and name.endswith("_file"):
            yield f"{where}{name}", value


M = TypeVar("M", bound=BaseModel)


def _anchored(model: M, folder: Path) -> M:
    """A copy in which every path is absolute; what nobody wrote is still told from what somebody did."""
    values = {name: _anchor(getattr(model, name), folder) for name in type(model).model_fields}
    return type(model).model_construct(_fields_set=model.model_fields_set, **values)


def _anchor(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, BaseModel):
        return _anchored(value, folder)
    if isinstance(value, list):
        return [_anchor(entry, folder) for entry in value]
    if isinstance(value, dict):
        return {key: _anchor(entry, folder) for key, entry in value.items()}
    return value
