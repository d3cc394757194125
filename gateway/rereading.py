"""The files, read again while the gateway runs: on SIGHUP, and when somebody asks (`southgate apply`)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datastore.analysis.room import RuleRoom
from gateway.config import load_settings
from gateway.exportroom import Change, ExportRoom
from gateway.model.configuration import Configuration, Difference
from gateway.model.errors import ConfigError
from gateway.runtime.configuration.registry import FileRegistry

if TYPE_CHECKING:
    from datastore.history.rules import KeepRules

log = logging.getLogger(__name__)

Reread = tuple[Difference, Mapping[str, Sequence[str]]]
"""What changed, and the names of the `rules` and `exporters` that did; of `keep` rules, that some did."""


class OfFile(NamedTuple):
    """What gateway.yaml says."""

    rules: Sequence[Any]
    keep: Sequence[Any]
    exporters: Change
    """What is to be done with them."""


class Rereading:
    """Profiles, devices, and of gateway.yaml its rules, keep rules and exporters: all are taken over, or nothing is.
    One after the other, so that what was read last is what holds."""

    def __init__(
        self,
        file: Path | None,
        registry: FileRegistry,
        rules: RuleRoom,
        exporters: ExportRoom,
        keep: "KeepRules | None",
    ) -> None:
        """`file`: gateway.yaml. `keep`: None without a history."""
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
            of_file = await self._of_file()
            changed = {"exporters": of_file.exporters.names, "keep": self._kept_otherwise(of_file.keep)}
            if dry_run:
                return await self._would(of_file.rules, changed)
            before = self._rules.of_file
            rules = await self._rules.take(of_file.rules)
            try:
                difference = await self._registry.reload()
            except ConfigError:
                await self._rules.take(before)
                raise
            if self._keep is not None:
                self._keep.take(of_file.keep)
            await self._exporters.take(of_file.exporters)
            would = self._rules.would(of_file.rules)
            doubts = would.doubts(self._registry.planned) if would is not None else []
            return replace(difference, problems=(*difference.problems, *doubts)), changed | {"rules": rules}

    async def _would(self, rules: Sequence[Any], changed: Mapping[str, Sequence[str]]) -> Reread:
        would = self._rules.would(rules)
        difference, planned = await self._registry.would(would.makes() if would is not None else Configuration())
        if would is None:
            return difference, changed
        found = replace(difference, problems=(*difference.problems, *would.doubts(planned)))
        return found, {**changed, "rules": would.changed}

    async def _of_file(self) -> OfFile:
        """Raises ConfigError."""
        if self._file is None:
            keep = self._keep.of_file if self._keep is not None else ()
            return OfFile(self._rules.of_file, keep, await self._exporters.prepare(self._exporters.settings))
        settings = await asyncio.to_thread(load_settings, self._file)
        return OfFile(settings.rules, settings.keep_rules(), await self._exporters.prepare(settings.exporters))

    def _kept_otherwise(self, keep: Sequence[Any]) -> list[str]:
        """Empty: they are what they were."""
        return ["history.keep"] if self._keep is not None and list(self._keep.of_file) != list(keep) else []
