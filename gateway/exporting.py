"""`exporters` and `history` of gateway.yaml: their settings, and exporters made of them; only where there are some."""

import re
from typing import Annotated, Any

from pydantic import Field, field_validator

from datastore.exporters.build import Identity, open_exporter
from datastore.exporters.settings import (
    FilesSettings,
    HttpSettings,
    InfluxSettings,
    PostgresSettings,
    WebhookSettings,
)
from datastore.history.settings import HistorySettings
from gateway.config import Settings
from gateway.model.contracts import Clock, Exporter
from gateway.northbound.republishing import MqttExportSettings

Export = Annotated[
    InfluxSettings | HttpSettings | MqttExportSettings | FilesSettings | PostgresSettings | WebhookSettings,
    Field(discriminator="kind"),
]
"""One entry of `exporters`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class WithExporters(Settings):
    """The whole of gateway.yaml."""

    history: HistorySettings | None = None
    exporters: dict[str, Export] = Field(
        default={}, description="Where else records go, by a name of yours; `kind` says how"
    )

    @field_validator("exporters")
    @classmethod
    def _names(cls, exporters: dict[str, Any]) -> dict[str, Any]:
        for name in exporters:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} must be a name of letters, digits, dots, - and _ such as plant-db")
        return exporters


def exporter_of(name: str, own: Any, gateway: str, clock: Clock) -> Exporter:
    """Brings in what its kind needs, and no other kind; connects nothing. Raises ConfigError."""
    if isinstance(own, MqttExportSettings):
        from gateway.northbound.republish import MqttExporter

        return MqttExporter(name, own, gateway, clock)
    return open_exporter(Identity(name, gateway), own)
