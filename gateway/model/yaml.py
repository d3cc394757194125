"""Text → a tree with positions; the only YAML reader.

Scalars keep their text (`Plain`, see `scalar`), because only the target field says what they mean; null is the one
meaning decided here. Read by events and without recursion, so that no file can exhaust the stack, and without node
objects, so that a profile of 100,000 resources takes seconds and not a gigabyte.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from gateway.model.document import MAX_PROBLEMS, Document, YamlList, YamlMap, key_path, many_objects, utf8
from gateway.model.errors import ConfigError, Problem
from gateway.model.scalar import MAX_DEPTH, NULLS, Plain, resolve

MAX_NODES = 8_000_000
"""Parser events (scalars, and both ends of lists and mappings) of a file; 100,000 resources make about 3 million."""
ALIASED_NODES = 200_000
"""Nodes that aliases may add beyond as many again as are written: a few lines can otherwise mean billions."""
_HEAVY = 64
"""A long text counts as one node more for so many characters: every alias of it may become a copy."""
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}
_NULLS = frozenset(NULLS)
_MERGE = "".join(("<", "<"))  # told from a quoted key by identity


def read(text: str | bytes, file: str) -> Document:
    """The first document of a YAML text. Raises ConfigError, with file and line, for what is not readable at all."""
    return _Reader(utf8(text, file), file).read()


class _Frame:
    """A mapping or list that is being read."""

    __slots__ = ("anchor", "is_map", "key", "line", "merges", "node", "size")

    def __init__(self, node: YamlMap | YamlList, line: int, anchor: str | None) -> None:
        node.line = line
        node.lines = []
        self.node: Any = node
        self.is_map = isinstance(node, YamlMap)
        self.key: str | None = None
        self.line = 0
        self.anchor = anchor
        self.merges: list[YamlMap] | None = None
        self.size = 1


class _Reader:
    """One pass over the parser's events."""

    def __init__(self, data: bytes, file: str) -> None:
        self.data = data
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.plains: dict[str, Plain | None] = dict.fromkeys(NULLS)
        self.keys: dict[str, str] = {}
        self.written = 0
        self.aliased = 0
        self.root = YamlList()
        self.top = _Frame(self.root, 1, None)
        self.stack: list[_Frame] = []

    def read(self) -> Document:
        parser = yaml.CBaseLoader(self.data)
        try:
            with many_objects():
                self._events(parser.get_event)
            self._further(parser.get_event)
        except yaml.reader.ReaderError as error:
            what = (
                f"the character U+{ord(error.character) if isinstance(error.character, str) else error.character:04X}"
            )
            self._stop(self.data.count(b"\n", 0, error.position) + 1, f"{what} is not allowed in YAML: {error.reason}")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            context = f" ({error.context})" if error.context else ""
            self._stop(mark.line + 1 if mark else 0, f"not readable as YAML: {error.problem}{context}")
        finally:
            parser.dispose()
        return Document(self.root[0] if self.root else None, self.file, self.problems)

    def _events(self, get_event: Callable[[], Any]) -> None:
        """All events of the first document. The usual scalar is done here, without a call: there are millions."""
        handlers: dict[type[Event], Callable[[Any], None]] = {
            ScalarEvent: self._scalar,
            AliasEvent: self._alias,
            MappingStartEvent: self._open_map,
            SequenceStartEvent: self._open_list,
            MappingEndEvent: self._close,
            SequenceEndEvent: self._close,
        }
        plains, keys = self.plains, self.keys
        for self.written in range(MAX_NODES):
            event = get_event()
            kind = type(event)
            frame = self.top
            if kind is ScalarEvent and frame.is_map and event.tag is None and event.anchor is None:
                text = event.value
                key = frame.key
                if key is None and text != "<<" and text not in _NULLS:
                    frame.key = keys.setdefault(text, text)
                    frame.line = event.start_mark.line + 1
                    continue
                if key is not None and key is not _MERGE and key not in frame.node:
                    value = text
                    if event.implicit[0]:
                        value = plains.get(text, text)
                        if value is text:
                            value = plains[text] = Plain(text)
                    frame.node[key] = value
                    frame.node.lines.append(frame.line)
                    frame.key = None
                    frame.size += 2 + (len(key) + len(text)) // _HEAVY
                    continue
            if kind in handlers:
                handlers[kind](event)
            elif kind is DocumentEndEvent or kind is StreamEndEvent:
                return
        self._stop(event.start_mark.line + 1, f"more than {MAX_NODES:,} values in one file")

    def _further(self, get_event: Callable[[], Any]) -> None:
        try:
            event = get_event()
        except yaml.YAMLError:
            return  # behind the first document anything may stand
        if isinstance(event, DocumentStartEvent) and event.start_mark:
            line = event.start_mark.line + 1
            what = "only the first document of a file is read; remove what follows or make it a file of its own"
            self.problems.append(Problem("", what, self.file, line, "warning"))

    def _scalar(self, event: Any) -> None:
        text: str = event.value
        line: int = event.start_mark.line + 1
        value: Plain | str | None
        if event.tag is not None:
            value = self._tagged(event.tag, text, line)
        elif event.implicit[0]:
            value = self.plains.get(text, text)
            if value is text:
                value = self.plains[text] = Plain(text)
        else:
            value = text
        size = 1 + len(text) // _HEAVY
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, size)
        self._put(value, line, size)

    def _tagged(self, tag: str, text: str, line: int) -> Plain | str | None:
        name = tag.removeprefix(_TAG)
        if tag == "!" or name == "str":
            return text
        meant = _SCALAR_TAGS.get(name)
        if meant is None:
            self._complain(line, f"the tag {_shown(tag)} is not allowed; only plain YAML is read")
        elif not isinstance(resolve(text), meant):
            self._complain(line, f"{text[:60]!r} is not a YAML {name}, as its tag {_shown(tag)} says")
        return Plain(text) if text not in NULLS else None

    def _alias(self, event: Any) -> None:
        line: int = event.start_mark.line + 1
        if event.anchor not in self.anchors:
            self._stop(line, f"the alias *{event.anchor} stands for nothing; no &{event.anchor} comes before it")
        found = self.anchors[event.anchor]
        if found is None:
            self._stop(line, f"the alias *{event.anchor} stands inside what it stands for")
        value, size = found
        self.aliased += size
        if self.aliased > ALIASED_NODES + self.written:
            self._stop(line, "the aliases of this file unfold into far too many values; write them out or use fewer")
        self._put(value, line, size)

    def _open_map(self, event: Any) -> None:
        self._open(YamlMap(), event)

    def _open_list(self, event: Any) -> None:
        self._open(YamlList(), event)

    def _open(self, node: YamlMap | YamlList, event: Any) -> None:
        line: int = event.start_mark.line + 1
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            self._complain(line, f"the tag {_shown(event.tag)} is not allowed; only plain YAML is read")
        if len(self.stack) >= MAX_DEPTH:
            self._stop(line, f"more than {MAX_DEPTH} levels inside one another")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(self.top)
        self.top = _Frame(node, line, event.anchor)

    def _close(self, _: Event) -> None:
        frame = self.top
        self.top = self.stack.pop()
        if frame.merges is not None and isinstance(frame.node, YamlMap):
            self._merge(frame.node, frame.merges)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = (frame.node, frame.size)
        self._put(frame.node, frame.node.line, frame.size)

    def _put(self, value: Any, line: int, size: int) -> None:
        frame = self.top
        node = frame.node
        frame.size += size
        if isinstance(node, YamlList):
            node.append(value)
            node.lines.append(line)
        elif frame.key is None:
            frame.key = self._key(value, line)
            frame.line = line
        else:
            key, frame.key = frame.key, None
            if key is _MERGE:
                self._note_merge(frame, value)
            elif key in node:
                first = node.lines[list(node).index(key)]
                what = f"the key {key!r} stands twice: lines {first} and {frame.line}; remove one"
                self._complain(frame.line, what, key)
            else:
                node[key] = value
                node.lines.append(frame.line)

    def _key(self, value: Any, line: int) -> str:
        if value is not None and not isinstance(value, str):
            self._stop(line, "a list or a mapping cannot be a key here; a key is text")
        if value == "<<" and type(value) is Plain:
            return _MERGE
        text = "" if value is None else str(value)
        return self.keys.setdefault(text, text)

    def _note_merge(self, frame: _Frame, value: Any) -> None:
        maps = value if isinstance(value, YamlList) else [value]
        if frame.merges is not None:
            self._complain(frame.line, "the key '<<' stands twice; give it one list: <<: [*a, *b]", "<<")
        elif not all(isinstance(one, YamlMap) for one in maps):
            self._complain(frame.line, "<< wants a mapping or a list of mappings, such as <<: *defaults", "<<")
        else:
            frame.merges = maps

    def _merge(self, node: YamlMap, merges: list[YamlMap]) -> None:
        for other in merges:
            for (key, value), line in zip(other.items(), other.lines, strict=True):
                if key not in node:
                    node[key] = value
                    node.lines.append(line)

    def _complain(self, line: int, what: str, key: str | None = None) -> None:
        frames = [*self.stack, self.top][1:]
        path = [frame.key or "" if isinstance(frame.node, YamlMap) else len(frame.node) for frame in frames]
        where = [*path[:-1], key] if key is not None else path
        self.problems.append(Problem(key_path(where), what, self.file, line))
        if len(self.problems) >= MAX_PROBLEMS:
            self._stop(line, "too many problems; the rest of the file was not read")

    def _stop(self, line: int, what: str) -> NoReturn:
        raise ConfigError([*self.problems, Problem("", what, self.file, line)])


def _shown(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
