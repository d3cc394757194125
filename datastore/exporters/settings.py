"""The kinds of `exporters:` in gateway.yaml that this room has."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PlainSerializer,
    SecretStr,
    field_validator,
    model_validator,
)

from datastore.settings import parse_size
from gateway.model.duration import parse_duration
from gateway.model.export import fields
from gateway.model.export.fields import known
from gateway.model.export.settings import ExportSettings, Free, MessageKind, Only
from gateway.model.export.template import fits
from gateway.model.network import is_loopback

_SERIES = ("gateway", "device", "profile", "source")
"""What a measurement and tags may be made of: what all values of an event share."""


def _http(url: str) -> str:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(f"{url!r}: the port must be a number from 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} must be an address such as https://server:8086")
    if parts.username is not None or parts.password is not None:
        raise ValueError("write no user or password into the address; secrets are in files of their own")
    return url


def _shown(url: str) -> str:
    """Some write a token into the query."""
    address, mark, _ = url.partition("?")
    return address + mark + ("**********" if mark else "")


HttpUrl = Annotated[str, AfterValidator(_http), PlainSerializer(_shown, when_used="json")]


class Server(BaseModel):
    """How an HTTP server is reached."""

    url: HttpUrl = Field(description="Address, `https://server:8086`")
    token_file: Path | None = Field(default=None, description="File with the token; read at each connect")
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed the server's certificate; default: the system's",
    )
    allow_plain: bool = Field(
        default=False, description="Allow http:// to another machine: anybody on the way can read values and the token"
    )

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not self.allow_plain and not is_loopback(parts.hostname or ""):
            raise ValueError(
                f"{self.url} is not encrypted: anybody on the way to {parts.hostname} could read values and the "
                "token. Use https://, or set allow_plain: true if the network is yours alone"
            )
        if parts.scheme == "http" and self.ca_file:
            raise ValueError(f"ca_file needs https:// instead of {self.url}")
        return self


class InfluxSettings(ExportSettings, Server):
    """InfluxDB 2, or whatever takes its `/api/v2/write`. One line per event: its values are the fields."""

    kind: Literal["influx"] = Field(description="What this is")
    org: str = Field(default="", description="Organisation")
    bucket: str = Field(description="Bucket")
    measurement: str = Field(
        default="{profile}", description="Measurement, made of {gateway}, {device}, {profile}, {source}"
    )
    tags: dict[str, str] = Field(
        default={"device": "{device}", "source": "{source}"},
        description="Tags, made of the same words: `{site: north, device: '{device}'}`",
    )
    integers: Literal["integer", "float"] = Field(
        default="integer",
        description="How whole numbers are stored; `float` where other writers have made the fields floats",
    )
    gzip: bool = Field(default=True, description="Compress requests")

    @model_validator(mode="after")
    def _words(self) -> Self:
        if self.only.messages:
            raise ValueError("only.messages: points are made of readings; leave it out")
        for text in (self.measurement, *self.tags.values()):
            fits(text, _SERIES)
        return self


_NO_HEADER = frozenset("\r\n:")
_OURS = frozenset({"content-type", "content-length", "authorization", "host", "transfer-encoding", "connection"})


class HttpSettings(ExportSettings, Server):
    """Requests to any HTTP server. 2xx is taken; 429 and 503 are waited out; 400 makes a dead letter in the end."""

    kind: Literal["http"] = Field(description="What this is")
    method: Literal["POST", "PUT"] = Field(default="POST", description="Method")
    headers: dict[str, SecretStr] = Field(
        default={}, description="More headers: `{X-Site: north}`; what they say is shown nowhere"
    )
    token_header: str = Field(
        default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="Header that carries the token: `X-Api-Key`"
    )
    token_scheme: str = Field(
        default="Bearer", pattern=r"^[A-Za-z0-9_-]*$", description="Word before the token; empty: the token alone"
    )
    user: str = Field(default="", description="User name, for basic authentication with password_file")
    password_file: Path | None = Field(default=None, description="File with the user's password")
    each: Literal["event", "reading"] = Field(
        default="event", description="What the template is filled with: an event with all its values, or each value"
    )
    template: Free = Field(
        default=None,
        description="Shape of one: JSON with {words} in its texts, or a text; default: all there is to say, as JSON",
    )
    together: bool = Field(
        default=True, description="Many in one request: a JSON list, or lines of text; otherwise a request for each"
    )
    content_type: str = Field(
        default="", description="`Content-Type`; default: application/json, or text/plain for a template that is text"
    )
    gzip: bool = Field(default=False, description="Compress requests; the server must know `Content-Encoding: gzip`")

    @property
    def words(self) -> tuple[str, ...]:
        """That the template may use."""
        readings = {"event": fields.EVENT, "reading": fields.READING}[self.each] if self.only.readings else ()
        return tuple(dict.fromkeys((*readings, *(fields.MESSAGE if self.only.messages else ()))))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        fits(self.template, self.words)
        if self.token_file and self.user:
            raise ValueError("token_file and user are two ways to say who we are; leave one out")
        if (self.password_file is None) != (not self.user):
            raise ValueError("user and password_file go together")
        for name, text in self.headers.items():
            if not name.isascii() or not name or set(name) & _NO_HEADER or {"\r", "\n"} & set(text.get_secret_value()):
                raise ValueError(f"headers: {name!r} and its text must be of one line, the name without colon")
            if name.lower() in _OURS:
                raise ValueError(f"headers: {name} is set by the gateway itself")
        return self


class Alarms(Only):
    """As of other exporters, but alarms rather than readings where nothing is said."""

    readings: bool = Field(default=False, description="Whether readings are exported")
    messages: list[MessageKind] = Field(
        default=["alarm"], description="Which messages: `alarm`, `result` of commands, `ack` of desired values"
    )


class WebhookSettings(HttpSettings):
    """As `http`, for people and their programs: alarms, one request each."""

    kind: Literal["webhook"] = Field(description="What this is")  # type: ignore[assignment]
    only: Alarms = Field(default=Alarms(), description="Which records; default: alarms")
    together: bool = Field(default=False, description="Many in one request, as a list; otherwise a request for each")
    linger: str = Field(default="0s", description="How long small events wait for company, 0 to 1m")
    secret_file: Path | None = Field(
        default=None,
        description="File with a secret: `X-Southgate-Signature: sha256=…` is then the HMAC of the body under it",
    )


class FilesSettings(ExportSettings):
    """Files in a folder, a row per value. The file being written ends in `.part`; a finished one appears whole."""

    kind: Literal["files"] = Field(description="What this is")
    folder: Path = Field(description="Folder; it is made if need be")
    format: Literal["csv", "jsonl", "parquet"] = Field(
        default="csv", description="`csv` with a header, `jsonl` (JSON Lines), `parquet` (needs southgate[history])"
    )
    columns: dict[str, str] = Field(
        default={},
        description="Name → word: `{ts: time, tag: resource, v: value}`; default: time, device, resource, value, "
        "units, quality, reason, id",
    )
    max_bytes: str = Field(default="64MB", description="A file is finished when it is so large; 10kB to 10GB")
    max_age: str = Field(default="1h", description="… or so old; 1s to 30d")
    keep: int = Field(default=0, ge=0, description="Only so many finished files are kept, the newest; 0: all")
    gzip: bool = Field(default=False, description="Compress finished files (csv, jsonl)")

    @property
    def bytes_max(self) -> int:
        return parse_size(self.max_bytes)

    @property
    def age_s(self) -> float:
        return parse_duration(self.max_age)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not 10_000 <= self.bytes_max <= 10_000_000_000:
            raise ValueError(f"max_bytes: {self.max_bytes} is out of range; write 10kB to 10GB")
        if not 1 <= self.age_s <= 30 * 86400:
            raise ValueError(f"max_age: {self.max_age} is out of range; write 1s to 30d")
        for word in self.columns.values():
            known(word, (*fields.READING, "kind", "name", "body"))
        if self.gzip and self.format == "parquet":
            raise ValueError("gzip: parquet is compressed already; leave it out")
        return self


_SQL_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$"


class PostgresSettings(ExportSettings):
    """A table in PostgreSQL, a row per value; where TimescaleDB is, a hypertable."""

    kind: Literal["postgres"] = Field(description="What this is")
    url: str = Field(description="`postgresql://user@host:5432/database`, without the password")
    password_file: Path | None = Field(default=None, description="File with the user's password")
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the server's certificate"
    )
    allow_plain: bool = Field(
        default=False, description="Allow a connection without TLS to another machine: anybody on the way can read"
    )
    table: str = Field(default="readings", pattern=_SQL_NAME, description="Table, with or without its schema")
    create: bool = Field(default=True, description="Make the table if it is not there")
    columns: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")], str] = Field(
        default={},
        description="Column → word, for a table of your own: `{ts: time, tag: resource, v: value}`; one column must be "
        "of the word id and be unique, so that no value is stored twice",
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise ValueError(f"{url!r} must be such as postgresql://user@host:5432/database")
        if parts.password is not None or "password" in parse_qs(parts.query):
            raise ValueError("write the password into a file named by `password_file`")
        return url

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for word in self.columns.values():
            known(word, fields.READING)
        if self.columns and "id" not in self.columns.values():
            raise ValueError("columns: one column must be of the word id, so that no value is stored twice")
        if self.only.messages:
            raise ValueError("only.messages: the table takes readings; leave it out")
        return self
