"""What was read over time: values of a resource, every one or in buckets, and SQL; made elsewhere, passed through."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from gateway.api.bodies import read_json
from gateway.api.envelope import EdgexError
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.abilities import Tells
from gateway.model.asking import COLUMNS, MEDIA, Answer, Completeness, Form, Question, Sql, Values
from gateway.model.duration import parse_duration
from gateway.model.moment import parse_moment
from gateway.model.plan import PlannedDevice, Poll

router = APIRouter()
SMALLEST_BUCKET = 1_000_000
"""ns."""
_MOMENT = "ns since 1970, an ISO time, `now`, or how long ago, such as 24h"
Start = Annotated[str, Query(description=f"From then on; {_MOMENT}")]
End = Annotated[str, Query(description=f"Before then; {_MOMENT}")]
Bucket = Annotated[
    str, Query(description="Width of the buckets, such as 1m, counted from 1970 UTC; without: every reading")
]
Of = Annotated[str, Query(description=f"What buckets say, of {', '.join(COLUMNS)}")]
Format = Annotated[str, Query(alias="format", description=" or ".join(MEDIA))]


@router.get("/history/{device}/{resource}")
async def values(
    device: Name,
    resource: Name,
    parts: House,
    start: Start = "-1h",
    end: End = "now",
    bucket: Bucket = "",
    of: Of = "mean,min,max,count",
    form: Format = "json",
) -> Response:
    """Values of one resource over time, column by column: every reading, or buckets of time. With `of=gaps` buckets
    without a reading are there, too, and JSON lists the stretches of them."""
    now = parts.clock.now()
    first, last = _moment(start, "start", now), _moment(end, "end", now)
    if last <= first:
        raise EdgexError(400, f"end {end} must be after start {start}")
    asked = Values(
        device, resource, first, last, _bucket(bucket), _columns(of), _form(form), _kind(parts, device, resource)
    )
    return await pass_on(parts, asked)


@router.get("/query")
async def query(parts: House, sql: str, form: Format = "json") -> Response:
    """One SELECT over the views `readings`, `minute`, `hour`, `messages` and `devices`."""
    return await pass_on(parts, Sql(sql, _form(form)))


@router.post("/query")
async def posted(request: Request, parts: House) -> Response:
    """As GET, for longer ones: `{"sql": "SELECT …", "format": "json"}`."""
    body = await read_json(request)
    if not isinstance(body, dict) or not isinstance(body.get("sql"), str) or body.keys() - {"sql", "format"}:
        raise EdgexError(400, 'the body must be {"sql": "SELECT …", "format": "json", "csv" or "arrow"}')
    return await pass_on(parts, Sql(body["sql"], _form(body.get("format", "json"))))


async def pass_on(parts: Parts, question: Question) -> Response:
    """The answer as it comes. Raises QuestionRefused."""
    return response(await parts.answers.ask(question))


def response(answer: Answer) -> Response:
    """Bytes and how they were found."""
    headers = {f"X-History-{name.capitalize()}": text for name, text in answer.notes.items()}
    headers["Content-Length"] = str(answer.size)
    return StreamingResponse(answer.chunks, media_type=answer.media, headers=headers)


def _moment(text: str, key: str, now: int) -> int:
    try:
        return parse_moment(text, now)
    except ValueError as error:
        raise EdgexError(400, f"{key}: {error}") from None


def _bucket(text: str) -> int:
    if not text:
        return 0
    try:
        width = round(parse_duration(text) * 1e9)
    except ValueError as error:
        raise EdgexError(400, f"bucket: {error}") from None
    if width < SMALLEST_BUCKET:
        raise EdgexError(400, f"bucket: {text} is too small; at least 1ms")
    return width


def _columns(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    wrong = [name for name in names if name not in COLUMNS]
    if wrong or not names:
        raise EdgexError(400, f"of: {', '.join(wrong) or 'nothing'} is unknown; there is {', '.join(COLUMNS)}")
    return names


def _form(text: object) -> Form:
    for form in MEDIA:
        if form == text:
            return form
    raise EdgexError(400, f"format: {text} is unknown; there is {', '.join(MEDIA)}")


def _kind(parts: Parts, device: str, resource: str) -> str:
    """Its valueType as configured now; empty: it is not."""
    planned = parts.registry.planned.get(device)
    for one in planned.profile.device_resources if planned else ():
        if one.name == resource:
            return one.properties.value_type.value
    return ""


@router.get("/completeness")
async def completeness(parts: House, start: Start = "-24h", end: End = "now", device: str = "") -> Response:
    """Of every source that is polled (or of one device's) what should have come, what came and was good, and the gaps:
    start, end, cause. Sources that report only what changed, or tell by themselves, or of which a keep rule keeps only
    some, have nothing to be expected."""
    now = parts.clock.now()
    first, last = _moment(start, "start", now), _moment(end, "end", now)
    if last <= first:
        raise EdgexError(400, f"end {end} must be after start {start}")
    planned = parts.registry.planned
    if device and device not in planned:
        raise EdgexError(404, f"there is no device {device}")
    expected = tuple(source for one in planned.values() for poll in one.polls for source in _expected(parts, one, poll))
    return await pass_on(parts, Completeness(first, last, expected, device))


def _expected(parts: Parts, planned: PlannedDevice, poll: Poll) -> Iterator[tuple[str, str, int]]:
    """Its sources, each with the ns between two of its events; 0: nobody knows."""
    rules = parts.keep_rules
    told = poll.plan.told if isinstance(poll.plan, Tells) else ()
    for source, rule in zip(poll.sources, poll.auto_events, strict=True):
        known = not rule.on_change and source not in told and (rules is None or rules.keeps_all(planned, source.name))
        yield source.device, source.name, round(poll.interval * 1e9) if known else 0
