"""`southgate opcua`: whom the gateway believes, and what it shows of itself.

Works on the files of the gateway's data folder, so that it may run or not; with --url on a gateway somewhere else.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway.cli.output import Output
from gateway.cli.remote import HERE, Remote, segment
from gateway.config import Settings, load_settings
from gateway.model.certificate import Certificate
from gateway.model.errors import ConfigError
from gateway.model.place import Place
from gateway.runtime.certificates import SOON_DAYS, days_left

if TYPE_CHECKING:
    from mappers.opcua.security.looking import Shown
    from mappers.opcua.security.papers import Papers

EXAMPLES = """  southgate opcua certificates                        our own, trusted, refused; the days left
  southgate opcua trust 3F2504E04F8941D39A0C0305E82C3301F2A1B7C9
  southgate opcua trust opc.tcp://192.168.1.5:4840    fetch what it shows, look, and accept
  southgate opcua trust opc.tcp://192.168.1.5:4840 --thumbprint 3F2504E04F8941D39A0C0305E82C3301F2A1B7C9
  southgate opcua distrust 3F2504E04F8941D39A0C0305E82C3301F2A1B7C9
  southgate opcua certificates --url http://gateway:8080 --token-file token"""
HEAD = ["STANDING", "THUMBPRINT", "DAYS LEFT", "SUBJECT", "APPLICATION", "SHOWN BY"]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=["certificates", "trust", "distrust"], help="what to do")
    what = "thumbprint of a certificate, as a refusal names it; for trust also a server's URL"
    parser.add_argument("what", nargs="?", default="", metavar="THUMBPRINT|URL", help=what)
    parser.add_argument("--yes", action="store_true", help="trust what the URL shows without asking")
    parser.add_argument("--thumbprint", default="", help="trust what the URL shows only if it has this one")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for the server of the URL")
    parser.add_argument("--config", type=Path, help="gateway.yaml whose data folder is meant; default: the one here")
    parser.add_argument("--url", help="a running gateway's API, to ask that one and touch no files here")
    parser.add_argument("--token-file", type=Path, help="with --url: the bearer token, where that gateway asks for one")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 done; 1 when what was shown was not accepted; 2 when there is no such certificate; 3 when the server cannot be
    reached."""
    there: _There = _Elsewhere(Remote(options)) if options.url else _Here(_place(options))
    if options.do == "certificates":
        return _list(there, output)
    if not options.what:
        raise ConfigError(f"{options.do} needs a thumbprint{' or a URL' if options.do == 'trust' else ''}")
    if options.do == "trust" and "://" in options.what:
        return _look_and_trust(there, options, output)
    found = there.trust(options.what) if options.do == "trust" else there.distrust(options.what)
    output.result(found)
    _done(found, output)
    return 0


def _place(options: argparse.Namespace) -> Place:
    config = options.config or (HERE if HERE.is_file() else None)
    return (load_settings(config) if config else Settings()).gateway.place


class _There(Protocol):
    """Where the certificates are."""

    def certificates(self) -> list[dict[str, Any]]: ...
    def trust(self, thumbprint: str) -> dict[str, Any]: ...
    def distrust(self, thumbprint: str) -> dict[str, Any]: ...
    def keep(self, papers: "Papers", url: str) -> None:
        """So that it can be trusted by its thumbprint. Raises ConfigError."""
        ...


class _Here:
    """Files."""

    def __init__(self, place: Place) -> None:
        from mappers.opcua.security.trustlist import TrustList

        self._list = TrustList(place)

    def certificates(self) -> list[dict[str, Any]]:
        return [_row(one) for one in self._list.certificates()]

    def trust(self, thumbprint: str) -> dict[str, Any]:
        return _row(self._list.trust(thumbprint))

    def distrust(self, thumbprint: str) -> dict[str, Any]:
        return _row(self._list.distrust(thumbprint))

    def keep(self, papers: "Papers", url: str) -> None:
        try:
            self._list.refuse(papers, url)
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from None


class _Elsewhere:
    """A gateway that runs, over REST."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def certificates(self) -> list[dict[str, Any]]:
        answer = self._remote.get("/gateway/api/v1/certificates")
        if answer["problems"]:
            raise ConfigError("\n".join(answer["problems"]))
        return list(answer["certificates"])

    def trust(self, thumbprint: str) -> dict[str, Any]:
        found: dict[str, Any] = self._remote.ask("POST", f"/gateway/api/v1/certificates/{segment(thumbprint)}/trust")
        return found

    def distrust(self, thumbprint: str) -> dict[str, Any]:
        self._remote.ask("DELETE", f"/gateway/api/v1/certificates/{segment(thumbprint)}")
        return {"thumbprint": thumbprint, "standing": "refused"}

    def keep(self, papers: "Papers", url: str) -> None:  # noqa: ARG002
        raise ConfigError("a gateway elsewhere trusts what it was shown itself: give the thumbprint, not the URL")


def _row(certificate: Certificate) -> dict[str, Any]:
    return {**asdict(certificate), "days_left": days_left(certificate, time.time_ns())}


def _list(there: _There, output: Output) -> int:
    found = there.certificates()
    output.result(found)
    if not found:
        output.line("no certificates yet: our own is made when a server is first met that has security")
        return 0
    output.table(HEAD, [_cells(one) for one in found])
    for one in found:
        if one["standing"] == "own":
            output.line(f"our own, for the lists of trusted clients of servers: {one['file']}")
        if one["standing"] != "refused" and one["days_left"] < SOON_DAYS:
            warning = output.paint("warning", "warning:")
            output.line(f"{warning} {one['thumbprint']} {_left(one['days_left'])}")
    return 0


def _cells(one: dict[str, Any]) -> list[Any]:
    return [
        one["standing"],
        one["thumbprint"],
        one["days_left"],
        one["subject"] or "-",
        one["application_uri"] or "-",
        one["shown_by"] or "-",
    ]


def _left(days: int) -> str:
    return f"ends in {days} days" if days >= 0 else f"ended {-days} days ago"


def _done(found: dict[str, Any], output: Output) -> None:
    if found["standing"] == "trusted":
        output.line(f"{found['thumbprint']} is trusted; a running gateway takes it at its next attempt (within 30 s)")
    else:
        output.line(f"{found['thumbprint']} is trusted no more, from the next connection on")


def _look_and_trust(there: _There, options: argparse.Namespace, output: Output) -> int:
    from mappers.opcua.security.looking import look_at
    from mappers.opcua.security.trustlist import normal

    wanted = normal(options.thumbprint) if options.thumbprint else ""
    shown = asyncio.run(look_at(options.what, options.timeout, datetime.now(UTC)))
    if shown is None:
        output.error(f"{options.what} shows no certificate: it offers no security")
        return 1
    _show(shown, output)
    thumbprint = shown.papers.thumbprint
    if wanted and wanted != thumbprint:
        output.error(f"{options.what} shows {thumbprint}, not {wanted}: it is not trusted")
        return 1
    if any(one["standing"] == "trusted" and one["thumbprint"] == thumbprint for one in there.certificates()):
        output.result({"thumbprint": thumbprint, "standing": "trusted"})
        output.line("it is trusted already")
        return 0
    if not wanted and not options.yes and not _agreed(output):
        return 1
    there.keep(shown.papers, shown.url)
    found = there.trust(thumbprint)
    output.result(found)
    _done(found, output)
    return 0


def _show(shown: "Shown", output: Output) -> None:
    papers = shown.papers
    output.line(f"{shown.url} shows")
    for name, value in (
        ("thumbprint", papers.thumbprint),
        ("subject", papers.subject or "-"),
        ("application", papers.application_uri or "-"),
        ("made for", ", ".join(papers.hosts[:8]) or "-"),
        ("valid", f"{papers.not_before:%Y-%m-%d} to {papers.not_after:%Y-%m-%d}"),
        ("best security", str(shown.offer)),
    ):
        output.line(f"  {name:14} {value}")
    for remark in shown.remarks:
        output.line(f"  {output.paint('warning', 'warning:')} it {remark}")
    for fault in shown.faults:
        output.line(f"  {output.paint('error', 'error:')} even when it is trusted it cannot be used: it {fault}")


def _agreed(output: Output) -> bool:
    if output.json or not sys.stdin.isatty():
        output.error("nobody can be asked here: give --thumbprint with what the server itself shows, or --yes")
        return False
    return input("Does the server itself show the same thumbprint? Trust it [y/N]: ").strip().lower() in ("y", "yes")
