"""Settings → exporter; the library of a kind is imported here, when it is configured, and not before."""

from importlib.util import find_spec
from typing import NamedTuple

from datastore.exporters.settings import (
    FilesSettings,
    HttpSettings,
    InfluxSettings,
    PostgresSettings,
    WebhookSettings,
)
from gateway.model.contracts import Exporter
from gateway.model.errors import ConfigError, Problem
from gateway.model.export.settings import ExportSettings

Settings = InfluxSettings | HttpSettings | WebhookSettings | FilesSettings | PostgresSettings


class Identity(NamedTuple):
    """Who exports, and as what."""

    name: str
    """Of the exporter in gateway.yaml."""
    gateway: str


def check(name: str, settings: ExportSettings) -> None:
    """Raises ConfigError when the library that an exporter needs is not installed."""
    module, extra = _needs(settings)
    if module and find_spec(module) is None:
        what = f"needs more than is installed: pip install 'southgate[{extra}]'"
        raise ConfigError([Problem(f"exporters.{name}", what)])


def _needs(settings: ExportSettings) -> tuple[str, str]:
    """Module and extra; empty: nothing more."""
    match settings:
        case InfluxSettings():
            return "influxdb_client", "influx"
        case PostgresSettings():
            return "psycopg", "postgres"
        case FilesSettings(format="parquet"):
            return "duckdb", "history"
    return "", ""


def open_exporter(identity: Identity, settings: Settings) -> Exporter:
    """Connects nothing. Raises ConfigError."""
    check(identity.name, settings)
    match settings:
        case InfluxSettings():
            from datastore.exporters.influx import InfluxExporter

            return InfluxExporter(identity.name, settings, identity.gateway)
        case HttpSettings():
            from datastore.exporters.post import HttpExporter

            return HttpExporter(identity.name, settings, identity.gateway)
        case FilesSettings():
            from datastore.exporters.files import FilesExporter

            return FilesExporter(identity.name, settings, identity.gateway)
        case PostgresSettings():
            from datastore.exporters.postgres import PostgresExporter

            return PostgresExporter(identity.name, settings, identity.gateway)
