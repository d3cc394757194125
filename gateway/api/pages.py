"""A page for people: the routes there are, made from the OpenAPI document; needs no other server."""

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gateway.api.parts import House

router = APIRouter()

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f23}
td{padding:.2rem .8rem .2rem 0;vertical-align:top}code{font-size:13px}h2{margin-top:2rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8ab4f8}}"""


@router.get("/docs", include_in_schema=False)
async def docs(request: Request, parts: House) -> HTMLResponse:
    """Every route with what it does; /openapi.json has the details for tools."""
    title = escape(f"{parts.name}: REST API")
    rows = "".join(_section(tag, lines) for tag, lines in by_tag(request.app.openapi()).items())
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>For tools: <a href=/openapi.json>openapi.json</a>. For Prometheus: <a href=/metrics>metrics</a>.</p>{rows}"
    )


def _section(tag: str, lines: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{line['verb']}<td><code>{escape(line['path'])}</code><td>{escape(line['text'])}" for line in lines
    )
    return f"<h2>{escape(tag)}</h2><table>{rows}</table>"


def by_tag(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations of an OpenAPI document: tag → `{verb, path, text, parameters}`, in the order of the routes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for tag, line in _operations(document):
        found.setdefault(tag, []).append(line)
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield (
                operation.get("tags", ["gateway"])[0],
                {
                    "verb": verb.upper(),
                    "path": path,
                    "text": " ".join(operation.get("description", operation.get("summary", "")).split()),
                    "parameters": [p for p in operation.get("parameters", []) if p["in"] != "path"],
                },
            )
