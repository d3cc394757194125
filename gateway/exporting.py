"""`exporters` and `history` of gateway.yaml: their settings, and the forwarders of exporters; only where there are
some."""

import re
from collections.abc import Sequence
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
from gateway.model.contracts import Clock, Exporter, Registry, Store
from gateway.model.export.narrow import Selector
from gateway.model.letter import DeadLetters
from gateway.northbound.republishing import MqttExportSettings
from gateway.runtime.forwarder import Forwarder, ForwardSettings

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


def exporting(
    settings: Settings, store: Store, letters: DeadLetters, registry: Registry, clock: Clock
) -> list[Forwarder]:
    """One forwarder for every exporter, each with its own cursor and pace. Raises ConfigError."""

    def labels(device: str) -> Sequence[str]:
        planned = registry.planned.get(device)
        return planned.device.labels if planned is not None else ()

    found = []
    for name, own in settings.exporters.items():
        feeding = ForwardSettings(
            linger_s=own.linger_s,
            batch=own.batch,
            backlog_batch=own.batch,
            backlog_rate=own.rate,
            first_retry_s=1.0,
            longest_retry_s=10.0,
            tries=own.tries,
        )
        select = Selector(own.only, own.rename, labels)
        exporter = _exporter(Identity(name, settings.gateway.name), own, clock)
        forwarder = Forwarder(store, exporter, clock, f"export-{name}", feeding, select)
        forwarder.remember(letters)
        found.append(forwarder)
    return found


def _exporter(identity: Identity, own: Any, clock: Clock) -> Exporter:
    """Brings in what its kind needs, and no other kind. Raises ConfigError."""
    if isinstance(own, MqttExportSettings):
        from gateway.northbound.republish import MqttExporter

        return MqttExporter(identity.name, own, identity.gateway, clock)
    return open_exporter(identity, own)
