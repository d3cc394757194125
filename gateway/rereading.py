"""The files, read again while the gateway runs: on SIGHUP, and when somebody asks (`southgate apply`)."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datastore.analysis.room import RuleRoom
from gateway.config import load_settings
from gateway.exportroom import Change, ExportRoom
from gateway.model.configuration import Configuration, Difference
from gateway.model.errors import ConfigError
from gateway.runtime.configuration.registry import FileRegistry

log = logging.getLogger(__name__)

Reread = tuple[Difference, Mapping[str, Sequence[str]]]
"""What changed, and the names of the `rules` and `exporters` that did."""


class Rereading:
    """Profiles, devices, and of gateway.yaml its rules and exporters: all are taken over, or nothing is. One
    after the other, so that what was read last is what holds."""

    def __init__(
        self,
        file: Path | None,
        registry: FileRegistry,
        rules: RuleRoom,
        exporters: ExportRoom,
        keep: Callable[[], object] = lambda: None,
    ) -> None:
        """`file`: gateway.yaml. `keep` takes its keep rules again. Raises ConfigError."""
        self._file, self._registry, self._rules, self._keep = file, registry, rules, keep
        self._exporters = exporters
        self._turn = asyncio.Lock()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """SIGHUP: soon."""
        self._asked.set()

    async def run(self) -> None:
        """Does what signals ask until cancelled; a storm of them is one."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                difference, others = await self.read()
            except ConfigError as error:
                log.error("the files were not taken over, what ran goes on:\n%s", error)
            except Exception:
                log.exception("the files were not taken over by our own fault, what ran goes on")
            else:
                changed = difference or any(others.values())
                log.info("the files were read again: %s", "changes applied" if changed else "nothing changed")

    async def read(self, dry_run: bool = False) -> Reread:
        """Raises ConfigError; then nothing changed. `dry_run`: nothing does."""
        async with self._turn:
            of_file, change = await self._of_file()
            if dry_run:
                return await self._would(of_file, change)
            before = self._rules.of_file
            rules = await self._rules.take(of_file)
            try:
                difference = await self._registry.reload()
            except ConfigError:
                await self._rules.take(before)
                raise
            self._keep()
            await self._exporters.take(change)
            would = self._rules.would(of_file)
            doubts = would.doubts(self._registry.planned) if would is not None else []
            return replace(difference, problems=(*difference.problems, *doubts)), {
                "rules": rules,
                "exporters": change.names,
            }

    async def _would(self, of_file: Sequence[Any], change: Change) -> Reread:
        would = self._rules.would(of_file)
        difference, planned = await self._registry.would(would.makes() if would is not None else Configuration())
        if would is None:
            return difference, {"exporters": change.names}
        found = replace(difference, problems=(*difference.problems, *would.doubts(planned)))
        return found, {"rules": would.changed, "exporters": change.names}

    async def _of_file(self) -> tuple[Sequence[Any], Change]:
        """Rules, and what is to be done with exporters. Raises ConfigError."""
        if self._file is None:
            return self._rules.of_file, await self._exporters.prepare(self._exporters.settings)
        settings = await asyncio.to_thread(load_settings, self._file)
        return settings.rules, await self._exporters.prepare(settings.exporters)
