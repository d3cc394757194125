"""Talks to a running gateway's REST API from the command line."""

import argparse
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from gateway.model.errors import ConfigError, GatewayError, NotConnected

HERE = Path("gateway.yaml")


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--url`, `--config`, `--token-file`: where the gateway is."""
    parser.add_argument(
        "--url", help="address of the gateway's API; default: as gateway.yaml says, else http://127.0.0.1:8080"
    )
    parser.add_argument(
        "--config", type=Path, help="gateway.yaml to take address and token from; default: the one in this folder"
    )
    parser.add_argument("--token-file", type=Path, help="file with the bearer token, where the gateway asks for one")


class Remote:
    """One gateway."""

    def __init__(self, options: argparse.Namespace) -> None:
        url, token_file = options.url, options.token_file
        config = options.config or (None if url or not HERE.is_file() else HERE)
        if config:
            from gateway.config import load_settings

            settings = load_settings(config)
            url = url or f"http://{settings.api.listen}"
            token_file = token_file or settings.api.token_file
        self.url = (url or "http://127.0.0.1:8080").rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"--url {self.url}: an address like http://127.0.0.1:8080 was expected")
        self._token = _token(token_file) if token_file else ""

    def get(self, path: str) -> Any:
        """Body of a GET as JSON. Raises NotConnected, Refused."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; `path` is already encoded. Raises NotConnected, Refused."""
        sent = None if body is None else json.dumps(body).encode()
        return _json(self.exchange(method, path, sent), self.url)

    def exchange(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json", timeout: float = 30
    ) -> bytes:
        """As `ask`, for bodies of any kind. `timeout`: seconds without a word from the gateway."""
        with self._open(method, path, body, kind, timeout) as answer:
            content: bytes = answer.read()
            return content

    def lines(self, path: str, timeout: float = 30) -> Iterator[bytes]:
        """Of a GET, as they come. Raises as `ask`."""
        with self._open("GET", path, None, "application/json", timeout) as answer:
            yield from answer

    def answer(self, method: str, path: str, body: bytes, timeout: float) -> AbstractContextManager[Any]:
        """As `exchange`, to be read a piece at a time."""
        return self._open(method, path, body, "application/json", timeout)

    @contextmanager
    def _open(self, method: str, path: str, body: bytes | None, kind: str, timeout: float) -> Iterator[Any]:
        request = urllib.request.Request(  # noqa: S310  the scheme was checked
            self.url + path,
            method=method,
            data=body,
            headers={"Content-Type": kind} | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                yield answer
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read()) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise NotConnected(
                f"no gateway answers at {self.url} ({reason}). Is it running (southgate run)? Another address: --url"
            ) from None


def _token(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"token file {file} cannot be read: {error}") from None


def _json(body: bytes, url: str) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        raise NotConnected(f"what answers at {url} is not this gateway's API. Another address: --url") from None


class Refused(GatewayError):
    """The gateway answered with an error status."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        self.body = parsed if isinstance(parsed, dict) else {}
        said = str(self.body.get("message") or self.body.get("error") or body.decode(errors="replace")[:500])
        if status == 401:
            said += ": this gateway asks for a token; give --token-file (or --config: its gateway.yaml)"
        super().__init__(_unwrapped(said))


def _unwrapped(said: str) -> str:
    """core-command answers with the whole body of the device service inside its message; people want what that says."""
    relayed = said.partition(", err: ")[2] if said.startswith("request failed, status code: ") else ""
    try:
        return str(json.loads(relayed)["message"])
    except (ValueError, KeyError, TypeError):
        return said


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return urllib.parse.quote(name, safe="")
