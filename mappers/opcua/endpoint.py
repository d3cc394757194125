"""How an OPC UA server is reached and who we are there: protocol properties, EdgeX's (contract, 6.2) and our own.

Devices of one server and one user share a session: what must be equal for them is in the settings.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import Connection
from gateway.model.profile import Compat
from gateway.model.scalar import literal_text
from mappers.shared.given import Flag, Whole, from_pydantic, one_of, seconds, unknown_keys

KEY = "opcua"
SERVICE = "device-opcua"
PORT = 4840
"""Registered for opc.tcp (Part 6, 7.1.2)."""
POLICIES = ("None", "Basic128Rsa15", "Basic256", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
"""From none to the best; asyncua has all of them."""
BROKEN = ("Basic128Rsa15", "Basic256")
"""Deprecated since OPC UA 1.04 (SHA-1): only when a device's file names one."""
AUTO = "auto"
"""The best that the server offers, never one of `BROKEN`."""
MODES = ("None", "Sign", "SignAndEncrypt")


def _text(value: Any) -> str:
    text = literal_text(value).strip()
    if not text:
        raise ValueError("must not be empty")
    return text


def _url(value: Any) -> str:
    text = _text(value)
    got = f"got {re.sub('//.*@', '//...@', text)!r}"  # a password stands in no message
    parts = urlsplit(text)
    try:
        port = parts.port or PORT
    except ValueError:
        raise ValueError(f"expected a port from 1 to 65535, {got}") from None
    if parts.scheme != "opc.tcp" or not parts.hostname:
        raise ValueError(f"expected opc.tcp://HOST:PORT/PATH, such as opc.tcp://192.168.1.5:4840, {got}")
    if parts.username or parts.password:
        raise ValueError("a user does not belong into the URL; use UserName and PasswordFile")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    query = f"?{parts.query}" if parts.query else ""
    return f"opc.tcp://{host}:{port}{parts.path.rstrip('/')}{query}"


def _timeout(value: Any) -> float:
    found = seconds(value)
    if not 0.01 <= found <= 600:
        raise ValueError(f"expected 10ms to 10m, got {literal_text(value)!r}")
    return found


def _pascal(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


Text = Annotated[str, BeforeValidator(_text)]


class Properties(BaseModel):
    """Of `opcua`."""

    model_config = ConfigDict(alias_generator=_pascal, frozen=True, extra="ignore")

    endpoint: Annotated[str, BeforeValidator(_url)]
    security_policy: Annotated[str, one_of((AUTO, *POLICIES))] = AUTO
    security_mode: Annotated[str, one_of((AUTO, *MODES))] = AUTO
    allow_none: Flag = False
    user_name: Text = ""
    password_file: Text = ""
    certificate: Text = ""
    private_key: Text = ""
    timeout: Annotated[float, BeforeValidator(_timeout)] = 5.0
    subscribe: Flag = True
    max_nodes: Annotated[Whole, Field(ge=1, le=100_000)] | None = None
    max_items: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    time_stamps: Annotated[str, one_of(("source", "gateway"))] = "source"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Settings of a session."""

    url: str
    policy: str
    """One of `POLICIES`, or `AUTO`."""
    mode: str
    """One of `MODES`, or `AUTO`: the best there is."""
    allow_none: bool
    """No security is accepted where the server has nothing better, or where `policy` says None."""
    user: str
    """Empty: anonymous, or whoever `certificate` is made for."""
    password_file: str
    """As written; see `Place.folder`."""
    certificate: str
    """Of the user, PEM or DER."""
    private_key: str
    timeout: float
    """Seconds to wait for each answer."""
    max_nodes: int | None
    """Nodes of one call, where the server says nothing or too much."""
    max_items: int | None
    """Monitored items of one subscription, as `max_nodes`."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What one device has for itself on a session it may share."""

    subscribe: bool
    """false: it is read."""
    source_times: bool
    """Values carry the server's source timestamps; false: the time at which they came here."""


def reach(device: Device, compat: Compat = Compat.NONE) -> tuple[Connection, Manner]:
    """The connection and the manner. Raises ConfigError with every problem of the properties."""
    found, problems = examine(device, compat)
    if found is None:
        raise ConfigError([p for p in problems if p.severity == "error"])
    return found


def examine(device: Device, compat: Compat = Compat.NONE) -> tuple[tuple[Connection, Manner] | None, list[Problem]]:
    """As `reach`, with warnings and notes; None when there is an error. `where` is inside the device."""
    given = device.protocols.get(KEY)
    if given is None:
        return None, [Problem("protocols", f"{KEY} is expected, found {', '.join(device.protocols) or 'none'}")]
    known = tuple(field.alias or name for name, field in Properties.model_fields.items())
    problems = unknown_keys(given, known)
    try:
        properties = Properties.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        return None, _inside(problems + from_pydantic(error, _REQUIRED))
    problems += _doubtful(properties, compat)
    if any(problem.severity == "error" for problem in problems):
        return None, _inside(problems)
    return (_connection(properties, compat), _manner(properties)), _inside(problems)


def absent(settings: Endpoint, folder: Path) -> list[Problem]:
    """A warning for each file that is named and is not there yet; `folder`: where relative names start."""
    named = {
        "PasswordFile": settings.password_file,
        "Certificate": settings.certificate,
        "PrivateKey": settings.private_key,
    }
    what = "there is no file {}: the server lets nobody in without it; names are relative to gateway.yaml's folder"
    missing = {key: folder / name for key, name in named.items() if name and not (folder / name).is_file()}
    return _inside([Problem(key, what.format(file), severity="warning") for key, file in missing.items()])


_REQUIRED = {"Endpoint": "is required: the server's URL, such as opc.tcp://192.168.1.5:4840"}


def _doubtful(given: Properties, compat: Compat) -> list[Problem]:
    found = []
    if "None" in (given.security_policy, given.security_mode):
        if {given.security_policy, given.security_mode} - {"None", AUTO}:
            what = "SecurityPolicy None and SecurityMode None belong together; say both or neither"
            return [Problem("SecurityMode", what)]
        if not given.allow_none and compat is not Compat.EDGEX:
            what = (
                "no security: whoever is on the network reads and changes values; if that is meant, add AllowNone: true"
            )
            found.append(Problem("SecurityPolicy", what))
    if given.security_policy in BROKEN:
        what = f"{given.security_policy} is broken (SHA-1); better {POLICIES[3]} or later, or leave SecurityPolicy out"
        found.append(Problem("SecurityPolicy", what, severity="warning"))
    if bool(given.certificate) != bool(given.private_key):
        missing = "PrivateKey" if given.certificate else "Certificate"
        found.append(Problem(missing, "a user's Certificate and PrivateKey belong together"))
    if given.user_name and given.certificate:
        found.append(
            Problem("UserName", "a session has one user: UserName and PasswordFile, or Certificate and PrivateKey")
        )
    if given.password_file and not given.user_name:
        found.append(Problem("PasswordFile", "whose password? add UserName"))
    return found


def _inside(problems: list[Problem]) -> list[Problem]:
    return [Problem(f"protocols.{KEY}.{p.where}", p.what, severity=p.severity) for p in problems]


def _connection(given: Properties, compat: Compat) -> Connection:
    edgex = compat is Compat.EDGEX
    none = "None" in (given.security_policy, given.security_mode)
    policy = "None" if none or (edgex and given.security_policy == AUTO) else given.security_policy
    settings = Endpoint(
        url=given.endpoint,
        policy=policy,
        mode="None" if policy == "None" else given.security_mode,
        allow_none=given.allow_none or edgex,
        user=given.user_name,
        password_file=given.password_file,
        certificate=given.certificate,
        private_key=given.private_key,
        timeout=given.timeout,
        max_nodes=given.max_nodes,
        max_items=given.max_items,
    )
    who = given.user_name or given.certificate
    return Connection(SERVICE, f"{who}@{given.endpoint}" if who else given.endpoint, settings)


def _manner(given: Properties) -> Manner:
    return Manner(given.subscribe, given.time_stamps == "source")
