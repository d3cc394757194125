"""Sources by number: equal content, equal number; enough is kept in every journal file to decode its rows alone."""

import hashlib
import json
import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from gateway.model.profile import Compat, DeviceResource
from gateway.model.reading import Source
from gateway.model.scalar import LiteralFloat, LiteralInt, resolve

_LITERAL = "$literal"
_PLAIN = frozenset((str, int, float, bool, type(None)))
"""Types that JSON takes as they are."""
_ABOUT = [one.name for one in fields(Source) if one.init and one.name not in ("resources", "number")]
_REMEMBERED = 4096
"""Source objects whose number is remembered, so that a throw-away source does not stay in memory for ever."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as it lies on disk; `resources` is the hash of their definitions, which many devices share."""

    number: int
    fingerprint: bytes
    resources: bytes
    about: bytes


class Sources:
    """All sources of the kept records, and those numbered since. Numbered on the loop's thread, read by any."""

    def __init__(self) -> None:
        self._rows: dict[int, SourceRow] = {}
        self._numbers: dict[bytes, int] = {}
        self._definitions: dict[bytes, bytes] = {}
        self._sources: dict[int, Source] = {}
        self._resources: dict[bytes, tuple[DeviceResource, ...]] = {}
        self._seen: dict[int, tuple[Source, Source]] = {}
        self._hashes: dict[tuple[int, ...], tuple[tuple[DeviceResource, ...], bytes]] = {}
        self._lock = threading.Lock()
        self._top = 0

    def number(self, source: Source) -> Source:
        """The same source with its number."""
        seen = self._seen.get(id(source))
        if seen is not None:
            return seen[1]
        if source.number and self._sources.get(source.number) is source:
            return source
        numbered = self._number(source)
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
            self._hashes.clear()
        self._seen[id(source)] = (source, numbered)
        return numbered

    def _number(self, source: Source) -> Source:
        definition = self._definition(source.resources)
        about = _json({name: getattr(source, name) for name in _ABOUT})
        fingerprint = hashlib.blake2b(definition + about, digest_size=16).digest()
        with self._lock:
            number = self._numbers.get(fingerprint)
            if number is None:
                number = self._top + 1
                self._keep(SourceRow(number, fingerprint, definition, about))
            known = self._sources.get(number)
            if known is None:
                known = self._sources[number] = source if source.number == number else replace(source, number=number)
        return known

    def _definition(self, resources: tuple[DeviceResource, ...]) -> bytes:
        """Hash of the resources' definitions; equal objects are looked at once."""
        key = tuple(map(id, resources))
        seen = self._hashes.get(key)
        if seen is None:
            text = _json([resource.model_dump(mode="python", by_alias=True) for resource in resources])
            digest = hashlib.blake2b(text, digest_size=16).digest()
            self._definitions.setdefault(digest, zlib.compress(text))
            self._resources.setdefault(digest, resources)
            seen = self._hashes[key] = (resources, digest)
        return seen[1]

    def load(self, rows: Iterable[SourceRow], definitions: Mapping[bytes, bytes]) -> None:
        """Takes in what a journal file knows. A number stays with its first content."""
        with self._lock:
            self._definitions.update(definitions)
            for row in rows:
                if row.number not in self._rows:
                    self._keep(row)

    def _keep(self, row: SourceRow) -> None:
        self._top = max(self._top, row.number)
        self._rows[row.number] = row
        self._numbers.setdefault(row.fingerprint, row.number)

    def leave_room(self) -> None:
        """A file could not be read: its numbers are not known, so they must not be given again."""
        self._top += 1_000_000

    def row(self, number: int) -> tuple[SourceRow, bytes]:
        """A source and its resources' definitions, to be written to a journal file."""
        row = self._rows[number]
        return row, self._definitions[row.resources]

    def get(self, number: int) -> Source:
        """The source of a stored event. Raises KeyError."""
        source = self._sources.get(number)
        if source is None:
            with self._lock:
                source = self._sources[number] = self._build(self._rows[number])
        return source

    def all(self) -> list[Source]:
        """Every source there is a number for."""
        return [self.get(number) for number in sorted(self._rows)]

    def _build(self, row: SourceRow) -> Source:
        about = _from_json(row.about)
        resources = self._resources.get(row.resources)
        if resources is None:
            told = _from_json(zlib.decompress(self._definitions[row.resources]))
            resources = tuple(DeviceResource.model_validate(one) for one in told)
            self._resources[row.resources] = resources
        about["mappings"] = tuple(about["mappings"])
        about["compat"] = Compat(about["compat"])
        return Source(**about, resources=resources, number=row.number)


def _json(value: Any) -> bytes:
    return json.dumps(_literal(value), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _literal(value: Any) -> Any:
    """Numbers that keep the text of their file (`10.10` is another address than `10.1`) keep it here, too."""
    if isinstance(value, LiteralInt | LiteralFloat):
        return {_LITERAL: value.text}
    if isinstance(value, Mapping):
        return {key: one if type(one) in _PLAIN else _literal(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [one if type(one) in _PLAIN else _literal(one) for one in value]
    return value


def _from_json(text: bytes) -> Any:
    return json.loads(text, object_hook=_unliteral)


def _unliteral(value: dict[str, Any]) -> Any:
    return resolve(value[_LITERAL]) if value.keys() == {_LITERAL} else value
