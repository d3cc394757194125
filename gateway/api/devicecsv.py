"""`/gateway/api/v1/devices.csv`: all devices as a table, and a table of devices in through the registry."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from gateway.api.bodies import read_upload
from gateway.api.parts import House, Parts
from gateway.model.gojson import go_json
from gateway.runtime.configuration.bulk import Import, Outcome, Verdict, exported
from gateway.runtime.turns import Turns

router = APIRouter()
CHUNK = 100
"""Verdicts of an answer that are written in one go; the loop runs in between."""


@router.get("/devices.csv", response_class=StreamingResponse)
async def export(parts: House) -> StreamingResponse:
    """All devices as CSV (UTF-8 with a mark, comma, CRLF): `name`, `profileName`, …, `protocols.modbus-tcp.Address`, …,
    `parameters.ct_ratio`, …, `autoEvents`. What a spreadsheet would take for a formula has an apostrophe before it."""
    return StreamingResponse(
        exported(parts.registry.current.devices, parts.clock),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="devices.csv"'},
    )


@router.post("/devices.csv", response_class=StreamingResponse)
async def load(
    request: Request,
    parts: House,
    dry_run: Annotated[bool, Query(description="Only show what would change")] = False,
    partial: Annotated[bool, Query(description="Apply the rows that are in order though others are not")] = False,
) -> StreamingResponse:
    """Adds and changes devices from such a table (also with semicolons or tabs, in UTF-16 or Windows-1252), all or
    nothing: a verdict for every row. 200: done; 207: done but for the rows that were refused (`partial`); 400: nothing
    was done. A column that is not there leaves devices as they are; devices that are not there stay."""
    multipart = request.headers.get("content-type", "").startswith("multipart/")
    raw, name = await read_upload(request) if multipart else (await request.body(), "")
    outcome = await Import(parts.registry, parts.clock, dry_run, partial).run(raw, name or "devices.csv")
    whole = any(problem.severity == "error" for problem in outcome.problems)
    status = 200 if not outcome.refused else 207 if partial and not whole else 400
    answer = _answer(parts, outcome, dry_run)
    return StreamingResponse(answer, status_code=status, media_type="application/json")


async def _answer(parts: Parts, outcome: Outcome, dry_run: bool) -> AsyncIterator[bytes]:
    head: dict[str, Any] = {
        "applied": outcome.applied,
        "dry_run": dry_run,
        **outcome.counts(),
        "problems": [
            {"where": p.where, "what": p.what, "file": p.file, "line": p.line, "severity": p.severity}
            for p in outcome.problems
        ],
    }
    yield go_json(head).rstrip()[:-1] + b',"rows":['
    turns = Turns(parts.clock)
    for start in range(0, len(outcome.verdicts), CHUNK):
        rows = [go_json(_row(verdict)).rstrip() for verdict in outcome.verdicts[start : start + CHUNK]]
        yield b"," * bool(start) + b",".join(rows)
        await turns.give()
    yield b"]}\n"


def _row(verdict: Verdict) -> dict[str, Any]:
    found = {"row": verdict.row, "name": verdict.name, "verdict": verdict.fate.value}
    if verdict.why:
        found |= {"line": verdict.line, "column": verdict.column, "why": verdict.why}
    return found
