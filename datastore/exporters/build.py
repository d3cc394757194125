"""Settings → exporter; the library of a kind is imported here, when it is configured, and not before."""

from importlib.util import find_spec
from typing import NamedTuple

from datastore.exporters.settings import HttpSettings, InfluxSettings, WebhookSettings
from gateway.model.contracts import Exporter
from gateway.model.errors import ConfigError, Problem

Settings = InfluxSettings | HttpSettings | WebhookSettings
_NEEDS = {"influx": ("influxdb_client", "influx"), "postgres": ("psycopg", "postgres")}
"""Kind → module and extra."""


class Identity(NamedTuple):
    """Who exports, and as what."""

    name: str
    """Of the exporter in gateway.yaml."""
    gateway: str


def check(name: str, kind: str) -> None:
    """Raises ConfigError when the library of a kind is not installed."""
    module, extra = _NEEDS.get(kind, ("", ""))
    if module and find_spec(module) is None:
        raise ConfigError([Problem(f"exporters.{name}", f"kind {kind} needs more: pip install 'southgate[{extra}]'")])


def open_exporter(identity: Identity, settings: Settings) -> Exporter:
    """Connects nothing. Raises ConfigError."""
    check(identity.name, settings.kind)
    match settings:
        case InfluxSettings():
            from datastore.exporters.influx import InfluxExporter

            return InfluxExporter(identity.name, settings, identity.gateway)
        case HttpSettings():
            from datastore.exporters.post import HttpExporter

            return HttpExporter(identity.name, settings, identity.gateway)
