"""Exporters of gateway.yaml while the gateway runs; nothing of them is loaded before there is one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datastore.journal import Journal
from gateway.model.contracts import Clock, Exporter, Registry
from gateway.model.letter import DeadLetters
from gateway.runtime.exports import PREFIX
from gateway.runtime.forwarder import Forwarder, Forwarders, ForwardSettings


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done; nothing of it is begun."""

    made: Mapping[str, Exporter]
    """Those that are new, or are in place of another."""
    settings: Mapping[str, Any]
    """Of all."""
    names: list[str]
    """Of those that are new, changed or gone."""


class ExportRoom:
    """Each has a forwarder with a cursor and a pace of its own."""

    def __init__(self, gateway: str, journal: Journal, letters: DeadLetters, registry: Registry, clock: Clock) -> None:
        self._gateway = gateway
        self._journal = journal
        self._letters = letters
        self._registry = registry
        self._clock = clock
        self.settings: Mapping[str, Any] = {}

        self.forwarders = Forwarders()

    def open(self, settings: Mapping[str, Any], others: Sequence[Forwarder]) -> Forwarders:
        """Those there are from the start, and `others`. Raises ConfigError."""
        self.settings = settings
        own = [self._forwarder(name, exporter) for name, exporter in self._made(settings).items()]
        self.forwarders = Forwarders([*others, *own])
        return self.forwarders

    async def prepare(self, settings: Mapping[str, Any]) -> Change:
        """gateway.yaml says this now. Raises ConfigError; nothing has changed then."""
        fresh = {name: own for name, own in settings.items() if self.settings.get(name) != own}
        gone = [name for name in self.settings if name not in settings]
        return Change(await asyncio.to_thread(self._made, fresh), settings, [*gone, *fresh])

    async def take(self, change: Change) -> None:
        """Who has another exporter goes on from its cursor; who has none any more holds nothing back in the journal."""
        self.settings = change.settings
        for name in change.names:
            await self.forwarders.end(PREFIX + name)
            if name in change.made:
                self.forwarders.add(self._forwarder(name, change.made[name]))
            else:
                self._journal.forget(PREFIX + name)

    def shown(self) -> dict[str, Any]:
        """Their settings, without what is secret."""
        return {name: own.model_dump(mode="json") for name, own in self.settings.items()}

    def _made(self, settings: Mapping[str, Any]) -> dict[str, Exporter]:
        if not settings:
            return {}
        from gateway.exporting import exporter_of

        return {name: exporter_of(name, own, self._gateway, self._clock) for name, own in settings.items()}

    def _forwarder(self, name: str, exporter: Exporter) -> Forwarder:
        from gateway.model.export.narrow import Selector

        own = self.settings[name]
        feeding = ForwardSettings(
            linger_s=own.linger_s,
            batch=own.batch,
            backlog_batch=own.batch,
            backlog_rate=own.rate,
            first_retry_s=1.0,
            longest_retry_s=10.0,
            tries=own.tries,
        )
        select = Selector(own.only, own.rename, self._labels)
        forwarder = Forwarder(self._journal, exporter, self._clock, PREFIX + name, feeding, select)
        forwarder.remember(self._letters)
        return forwarder

    def _labels(self, device: str) -> Sequence[str]:
        planned = self._registry.planned.get(device)
        return planned.device.labels if planned is not None else ()
