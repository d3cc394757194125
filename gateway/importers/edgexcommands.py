"""`deviceCommands` of EdgeX before v3: lists of `get` and `set` operations → one list of resource operations."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.importers.draft import Draft, clean, unknown_keys
from gateway.model.document import Document
from gateway.model.scalar import literal_text

OF_OPERATION = (
    "deviceResource", "object", "defaultValue", "parameter", "mappings",
    "index", "operation", "property", "resource", "deviceCommand", "secondary",
)  # fmt: skip
"""The second line says nothing that the order of the list and the kind of the list do not say."""


def commands(draft: Draft, document: Document, tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every command that can be carried over, each with a name of its own."""
    found: list[dict[str, Any]] = []
    given = tree.get("deviceCommands")
    for index, command in enumerate(given if isinstance(given, list) else []):
        where = f"deviceCommands[{index}]"
        line = document.line(("deviceCommands", index)) if index < 10_000 else 0
        if not isinstance(command, Mapping):
            draft.report.left(where, "expected a mapping", line)
            continue
        for made in _command(draft, command, where, line):
            if any(made["name"] == other["name"] for other in found):
                draft.report.left(where, f"a command named {made['name']!r} is there already", line)
            else:
                found.append(made)
    return found


def _command(draft: Draft, command: Mapping[str, Any], where: str, line: int) -> Iterator[dict[str, Any]]:
    name = clean(_text(command.get("name")))
    if not name:
        draft.report.left(where, "a command without a name", line)
        return
    if "resourceOperations" in command:
        unknown_keys(
            draft.report, command, ("name", "isHidden", "readWrite", "resourceOperations", "tags"), where, line
        )
        access = _text(command.get("readWrite")).upper()
        operations = _operations(draft, command["resourceOperations"], f"{where}.resourceOperations", line)
        hidden = _text(command.get("isHidden")).lower() == "true"
        yield from _made(draft, (name, access or "R", operations, hidden), where, line)
        return
    unknown_keys(draft.report, command, ("name", "get", "set"), where, line)
    reads = _operations(draft, command.get("get"), f"{where}.get", line)
    writes = _operations(draft, command.get("set"), f"{where}.set", line)
    if _names(reads) == _names(writes) and reads:
        merged = [{**write, **{k: v for k, v in read.items() if v}} for read, write in zip(reads, writes, strict=True)]
        yield from _made(draft, (name, "RW", merged, False), where, line)
        return
    if reads:
        yield from _made(draft, (name, "R", reads, False), where, line)
    if writes:
        own = f"{name}-set" if reads else name
        if reads:
            draft.report.note(where, f"reads and writes differ; the writing part is a command of its own, {own}", line)
        yield from _made(draft, (own, "W", writes, False), where, line)


def _made(
    draft: Draft, parts: tuple[str, str, list[dict[str, Any]], bool], where: str, line: int
) -> Iterator[dict[str, Any]]:
    """The command, with no more rights than its resources have."""
    name, access, operations, hidden = parts
    if access not in ("R", "W", "RW", "WR"):
        draft.report.left(where, f"{name}: readWrite {access!r} is none of R, W, RW", line)
        return
    if not operations:
        draft.report.left(where, f"{name}: none of its resources was carried over", line)
        return
    allowed = {d for d in "RW" if all(d in _access(draft, o["deviceResource"]) for o in operations)}
    kept = "".join(d for d in "RW" if d in access and d in allowed)
    if not kept:
        draft.report.left(where, f"{name} is {access}, its resources are not all", line)
        return
    if len(kept) < len(access):
        draft.report.left(where, f"{name} is {access}, not all of its resources are; it was made {kept}", line)
    yield {"name": name, "isHidden": hidden, "readWrite": kept, "resourceOperations": operations}


def _access(draft: Draft, name: str) -> str:
    return draft.resources[name].properties.read_write.value


def _operations(draft: Draft, given: Any, where: str, line: int) -> list[dict[str, Any]]:
    found = []
    for index, operation in enumerate(given if isinstance(given, list) else []):
        place = f"{where}[{index}]"
        if not isinstance(operation, Mapping):
            draft.report.left(place, "expected a mapping", line)
            continue
        unknown_keys(draft.report, operation, OF_OPERATION, place, line)
        name = clean(_text(operation.get("deviceResource") or operation.get("object")))
        if name not in draft.resources:
            draft.report.left(place, f"its resource {name!r} was not carried over", line)
            continue
        mappings = operation.get("mappings")
        pairs = {str(k): _text(v) for k, v in mappings.items()} if isinstance(mappings, Mapping) else {}
        default = _text(operation.get("defaultValue") or operation.get("parameter"))
        found.append({"deviceResource": name, "defaultValue": default, "mappings": pairs})
    return found


def _names(operations: list[dict[str, Any]]) -> list[str]:
    return [operation["deviceResource"] for operation in operations]


def _text(value: Any) -> str:
    return "" if isinstance(value, Mapping | list) else literal_text(value)
