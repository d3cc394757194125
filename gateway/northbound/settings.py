"""The `cloud.mqtt` part of gateway.yaml."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gateway.model.duration import parse_duration
from gateway.model.network import is_loopback

_PLAIN = {"mqtt": 1883, "tcp": 1883}
_TLS = {"mqtts": 8883, "ssl": 8883}
_PORTS = {**_PLAIN, **_TLS}


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


MqttVersion = Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_text)]


class MqttSettings(BaseModel):
    """One broker: where it is, who we are to it, how we speak. Secrets stay in their files and are read at each
    connect, so that they can be renewed without a restart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        description="Broker as `mqtts://host:8883` (TLS; also `ssl://`) or `mqtt://host:1883` (plain; also `tcp://`). "
        "Plain only to this machine itself, or with allow_plain"
    )
    root: str = Field(default="southgate/v1", description="First levels of every topic; the gateway's name follows")
    client_id: str = Field(default="", description="MQTT client id; default: the gateway's name")
    user: str = Field(default="", description="User name at the broker")
    password_file: Path | None = Field(default=None, description="File with the user's password")
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed the broker's certificate; default: the system's",
    )
    cert_file: Path | None = Field(default=None, description="PEM file of our own certificate, with key_file")
    key_file: Path | None = Field(default=None, description="PEM file of our own private key, without a pass phrase")
    version: MqttVersion = Field(
        default="auto", description="MQTT version; `auto`: 5, and 3.1.1 where the broker refuses 5"
    )
    allow_plain: bool = Field(
        default=False,
        description="Allow an unencrypted connection to another machine: anybody on the way can read values and send "
        "commands",
    )
    response_prefixes: list[str] = Field(
        default=[], description="Topics outside our own root that a command may name for its answer: `replies/`"
    )
    keepalive: str = Field(default="30s", description="How often the broker is asked whether it is there, 5s to 18h")
    max_inflight: int = Field(
        default=50, ge=1, le=1000, description="Messages under way and not yet acknowledged; the broker may allow fewer"
    )
    document_interval: str = Field(
        default="10m", description="How often every device's full twin document is sent again; 0: only at birth"
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        parts = _split(url)
        if parts.scheme not in _PORTS:
            raise ValueError(f"{url!r} must begin with mqtts:// (TLS) or mqtt:// (plain)")
        if parts.username is not None or parts.password is not None:
            raise ValueError("write the user under `user` and the password into a file named by `password_file`")
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("write the broker as mqtts://HOST or mqtts://HOST:PORT")
        return url

    @field_validator("root")
    @classmethod
    def _root(cls, root: str) -> str:
        levels = root.split("/")
        if not all(levels) or root.startswith("$") or set(root) & set("+#\0"):
            raise ValueError(f"{root!r} must be topic levels such as southgate/v1, without + # or a leading $ or /")
        return root

    @field_validator("response_prefixes")
    @classmethod
    def _prefixes(cls, prefixes: list[str]) -> list[str]:
        for prefix in prefixes:
            if not prefix or prefix.startswith("$") or set(prefix) & set("+#\0"):
                raise ValueError(f"{prefix!r} must be the beginning of a topic, such as replies/, without + # or $")
        return prefixes

    @field_validator("keepalive")
    @classmethod
    def _keepalive(cls, text: str) -> str:
        if not 5 <= parse_duration(text) <= 65535:
            raise ValueError(f"{text} must be between 5s and 18h")
        return text

    @field_validator("document_interval")
    @classmethod
    def _interval(cls, text: str) -> str:
        seconds = parse_duration(text)
        if seconds < 0 or 0 < seconds < 10:
            raise ValueError(f"{text} must be 10s or longer, or 0")
        return text

    @model_validator(mode="after")
    def _together(self) -> "MqttSettings":
        if self.password_file is not None and not self.user:
            raise ValueError("password_file needs `user`")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError(f"ca_file and cert_file need a TLS connection: write mqtts:// instead of {self.url}")
        if not self.tls and not self.allow_plain and not is_loopback(self.host):
            raise ValueError(
                f"{self.url} is not encrypted: anybody on the way to {self.host} could read values and send "
                "commands. Use mqtts://, or set allow_plain: true if the network is yours alone"
            )
        if any(
            f"{self.root}/".startswith(prefix) or prefix.startswith(f"{self.root}/")
            for prefix in self.response_prefixes
        ):
            raise ValueError(f"response_prefixes must lie outside our own root {self.root}/")
        return self

    @property
    def host(self) -> str:
        return _split(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = _split(self.url)
        return parts.port or _PORTS[parts.scheme]

    @property
    def tls(self) -> bool:
        return _split(self.url).scheme in _TLS

    @property
    def keepalive_s(self) -> int:
        return int(parse_duration(self.keepalive))

    @property
    def document_s(self) -> float:
        return parse_duration(self.document_interval)


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(f"{url!r}: the port must be a number from 1 to 65535") from None
    return parts
