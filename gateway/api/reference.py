"""`docs/reference/rest.md` from the application itself: `python -m gateway.api.reference [--check]`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gateway.api.app import add_routes
from gateway.api.pages import by_tag

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rest.md"

HEAD = """# REST API

Made from the program by `python -m gateway.api.reference`; change the routes' docstrings, not this page.

The API is EdgeX's v3, each EdgeX service in the folder where EdgeX's own API gateway has it; with `api.edgex_ports`
each also alone on EdgeX's port (core-data 59880, core-metadata 59881, core-command 59882, device-virtual 59900,
device-modbus 59901, device-opcua 59997) at `/api/v3/…`. What EdgeX lacks is under `/gateway/api/v1`. A running
gateway shows this list at `/docs` and its OpenAPI document at `/openapi.json`; neither needs another server.

## What holds for every route

- **Who may ask.** On 127.0.0.1 (the default) every program on the machine; a web page of somewhere else that a
  browser on it shows may not (403: its `Origin` or `Host` is not of this machine). Any other `api.listen` needs
  `api.token_file`; then every route but `ping` wants `Authorization: Bearer <token>`, else 401. The file is read
  again when it changes.
- **Names in paths** are percent-encoded UTF-8; a `/` inside a name is `%2F`, a `%` is `%25`. Control characters:
  400.
- **`X-Correlation-ID`** comes back as it was given, else as a new uuid.
- **Paging**: `offset` (0), `limit` (20; at most 1024, -1 means 1024; 0 gives only the total). Behind the end: 416.
- **Requests**: first line and headers within 10 s, or the connection is closed; at most 256 connections (503).
- **Bodies**: at most 48 MiB (413), 96 MiB of all together (503), there within 60 s (408), strict JSON: NaN, infinities,
  a key twice in one object, half a surrogate pair, more than 64 levels and anything behind the first value are 400.
  Nothing of a refused request is applied.
- **Batches** (`POST`, `PUT`, `PATCH` of devices and profiles) are JSON arrays, answered 207 with one answer each,
  in order.
- **Errors** are `{"apiVersion", "requestId"?, "message", "statusCode"}`; core services give the first level of the
  message, device services and `/gateway` all of it, joined by ` -> `. `/gateway` and refused uploads of profiles add
  `problems`, each with file, line and key.

## Values

- Values are EdgeX's text: floats in the shortest e-form (`2.653e+01`), arrays `[1, 2]`, string arrays as JSON.
- An integer that a scale made fractional is shown as `Float64`; a mapped value as `String`.
- A value that is not good has the tags `quality` (`bad`, `uncertain`), `qualityReason` (`timeout`, `refused`,
  `overflow`, `nan`, `stale`, `disconnected`, `config`, `device`) and `qualityCode` (what the device said). A bad
  one is EdgeX's null reading: `value`, `binaryValue` and `objectValue` are null. A read that brings no value at all
  because the device did not give any is 500.
- Ids of events and readings are uuids made of device, source and origin: an event that was read a moment ago has
  the id it will have in the journal. Ids of devices and profiles are made of their names where none was given.

## Writes

| What became of it | Status |
|---|---|
| written and read back equal, or write-only and accepted | 200 |
| written, but the read-back differs or failed | 500 with the wanted and the read values (`compat: edgex`: 200) |
| refused before the wire | 400, 403, 404, 405, 409, 412, 413, 423, 429, 503 |
| no value in the body and no default | 500, as in EdgeX |
| the device refused or did not answer | 500 |
| too late | 410 |

`Idempotency-Key` is the command's id: the same id again within a day gives the first answer and writes nothing.
Without it every request is a new command; `X-Correlation-ID` is not used for that, since many clients keep one for
a session. `POST /gateway/api/v1/commands` gives the full result and takes `expires_at` and `if_version`.

## Where it differs from EdgeX

- `ds-pushevent` is checked and changes nothing: whatever is read goes up to twin, journal and cloud
  ([decision 14](../decisions/0014-a-reading-goes-up-whoever-asked.md)).
- What is wrong with a device's protocol properties is 400 with the reason, not 500; `bypassValidation` bypasses
  nothing.
- JSON behind the first value of a body is refused, not ignored.
- Deleting events removes them from queries; who has not received them yet still does.
- A posted event must be of a device, a command or resource that is known, with the profile's types; its tags and its
  own id are not kept, the answer has the id by which it is found.
- Events and readings are listed, found by time and paged by the event's origin, also where a reading's own is another.
- Aggregates are of readings that are not bad.
- Without a history, what the journal still has is what is there.
- Not in this version: secrets, provision watchers, units of measure, single resources and commands of a profile,
  changes of device services, answers as CBOR.
"""


def page() -> str:
    """The whole page."""
    app = FastAPI()
    add_routes(app)
    return HEAD + "".join(_sections(by_tag(app.openapi())))


def _sections(tags: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    for tag, lines in tags.items():
        yield f"\n## {tag}\n\n| Verb | Path | What |\n|---|---|---|\n"
        yield from (_line(line) for line in lines)


def _line(line: dict[str, Any]) -> str:
    names = ", ".join(f"`{p['name']}`" for p in line["parameters"])
    text = line["text"].replace("|", "\\|") + (f" Takes {names}." if names else "")
    return f"| {line['verb']} | `{line['path']}` | {text} |\n"


def main(arguments: Sequence[str]) -> int:
    """Writes the page; with --check only says whether it is current (exit 1: it is not)."""
    if list(arguments) == ["--check"]:
        current = PAGE.exists() and PAGE.read_text("utf-8") == page()
        if not current:
            sys.stderr.write(f"{PAGE} is not current: run python -m gateway.api.reference\n")
        return 0 if current else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
