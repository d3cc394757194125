"""Whom we believe: server certificates in `<data>/pki/trusted`, and in `<data>/pki/refused` what was shown and is not
there. Whole certificates are compared; a thumbprint is only their name. People may put files there themselves."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.model.certificate import Certificate, Standing
from gateway.model.errors import ConfigError
from gateway.model.place import Place
from mappers.opcua.endpoint import SERVICE
from mappers.opcua.security import papers
from mappers.opcua.security.own import own_papers
from mappers.opcua.security.papers import Papers

TRUSTED, REFUSED = Path("pki", "trusted"), Path("pki", "refused")
KINDS = (".der", ".crt", ".cer", ".pem")
MAX_REFUSED = 100
"""So many are kept, the newest: a stranger must not fill the disk."""
MAX_OF_ONE = 4
"""So many of one endpoint: nor push out what the others showed."""
MAX_ENDPOINTS = 16
"""So many are remembered of one certificate."""
_FRESH_S = 3600.0
"""A certificate that is refused again and again is written once."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate in a folder."""

    papers: Papers
    file: Path
    endpoints: tuple[str, ...]
    """That showed it, newest first."""


class TrustList:
    """The two folders of one gateway. Fulfils `gateway.model.abilities.Trusts`; nothing is kept in memory."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.folder = place.data / TRUSTED
        self._refused = place.data / REFUSED

    def find(self, der: bytes) -> Kept | None:
        """The trusted one that is the same, byte by byte. Raises OSError, as all that reads."""
        return next((kept for kept in self.trusted() if kept.papers.der == der), None)

    def earlier(self, endpoint: str) -> Kept | None:
        """The trusted one that an endpoint showed last."""
        return next((kept for kept in self.trusted() if endpoint in kept.endpoints), None)

    def trusted(self) -> list[Kept]:
        return list(_kept(self.folder))

    def refused(self) -> list[Kept]:
        return list(_kept(self._refused))

    def unreadable(self) -> list[str]:
        """Files among the trusted that hold no certificate."""
        return [file.name for file in _files(self.folder) if _read(file) is None]

    def showed(self, kept: Kept, endpoint: str) -> None:
        """A trusted certificate was proved by this endpoint, and an earlier one is not this endpoint's any more."""
        known = _endpoints(kept.file)
        if known[:1] != (endpoint,):
            _note(kept.file, [endpoint, *known])
        for other in self.trusted():
            if other.file != kept.file and endpoint in other.endpoints:
                _note(other.file, [known for known in other.endpoints if known != endpoint])

    def refuse(self, shown: Papers, endpoint: str) -> None:
        """Keeps what is not trusted, so that it can be. Raises OSError."""
        file = self._refused / f"{shown.thumbprint}.der"
        known = next((kept for kept in self.refused() if kept.file == file), None)
        if known and endpoint in known.endpoints and time.time() - file.stat().st_mtime < _FRESH_S:
            return
        _write(file, shown.der)
        _note(file, [endpoint, *(known.endpoints if known else ())])
        self._tidy(endpoint)

    def certificates(self) -> list[Certificate]:
        """Our own, the trusted and the refused. Raises ConfigError when they cannot be read."""
        with _plainly():
            return [*self._own(), *_told(self.trusted(), "trusted"), *_told(self.refused(), "refused")]

    def trust(self, thumbprint: str) -> Certificate:
        """From the refused to the trusted. Raises ConfigError."""
        wanted = normal(thumbprint)
        with _plainly():
            found = _named(self.refused(), wanted)
            if found is None:
                raise ConfigError(self._nobody(wanted))
            return _move(found, self.folder, "trusted")

    def distrust(self, thumbprint: str) -> Certificate:
        """From the trusted to the refused. Raises ConfigError."""
        wanted = normal(thumbprint)
        with _plainly():
            trusted = self.trusted()
            found = [kept for kept in trusted if kept.papers.thumbprint == wanted]
            if not found:
                known = ", ".join(kept.papers.thumbprint for kept in trusted) or "none"
                raise ConfigError(f"{wanted} is not trusted; trusted are: {known}")
            for copy in found[1:]:  # as people named it
                _remove(copy.file)
            return _move(found[0], self._refused, "refused")

    def _nobody(self, wanted: str) -> str:
        if _named(self.trusted(), wanted):
            return f"{wanted} is trusted already"
        known = ", ".join(kept.papers.thumbprint for kept in self.refused()) or "none"
        return (
            f"no server has shown a certificate {wanted}; refused were: {known}. One that no gateway has met yet: "
            f"southgate opcua trust opc.tcp://HOST:PORT, or put its .der file into {self.folder}"
        )

    def _own(self) -> Iterator[Certificate]:
        try:
            found = own_papers(self._place)
        except ValueError as error:
            raise ConfigError(f"our own certificate cannot be read: {error}") from None
        if found:
            yield found[0].known_as(SERVICE, "own", file=str(found[1]))

    def _tidy(self, endpoint: str) -> None:
        newest = sorted(self.refused(), key=lambda kept: kept.file.stat().st_mtime_ns, reverse=True)
        of_this = [kept for kept in newest if kept.endpoints[:1] == (endpoint,)]
        for kept in {kept.file: kept for kept in (*newest[MAX_REFUSED:], *of_this[MAX_OF_ONE:])}.values():
            _remove(kept.file)


def normal(text: str) -> str:
    """A thumbprint as people copy it: with colons, blanks, in lower case. Raises ConfigError."""
    found = "".join(text.split()).replace(":", "").upper()
    if not papers.is_thumbprint(found):
        raise ConfigError(f"{text!r} is no thumbprint: 40 hex digits were expected (SHA-1 of the certificate)")
    return found


@contextmanager
def _plainly() -> Iterator[None]:
    """Files that cannot be used are a ConfigError."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be used: {error.strerror}") from None


def _move(kept: Kept, folder: Path, standing: Standing) -> Certificate:
    file = folder / f"{kept.papers.thumbprint}.der"
    _write(file, kept.papers.der)
    _note(file, kept.endpoints)
    _remove(kept.file)
    return _told([Kept(kept.papers, file, kept.endpoints)], standing)[0]


def _told(found: list[Kept], standing: Standing) -> list[Certificate]:
    return [kept.papers.known_as(SERVICE, standing, ", ".join(kept.endpoints), str(kept.file)) for kept in found]


def _named(found: list[Kept], thumbprint: str) -> Kept | None:
    return next((kept for kept in found if kept.papers.thumbprint == thumbprint), None)


def _files(folder: Path) -> list[Path]:
    """Raises OSError when a folder that is there cannot be read."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() in KINDS)
    except FileNotFoundError:
        return []


def _read(file: Path) -> Papers | None:
    try:
        return papers.read(file.read_bytes())
    except (ValueError, OSError):
        return None


def _kept(folder: Path) -> Iterator[Kept]:
    for file in _files(folder):
        found = _read(file)
        if found is not None:
            yield Kept(found, file, _endpoints(file))


def _endpoints(file: Path) -> tuple[str, ...]:
    try:
        found = json.loads(_beside(file).read_bytes())["endpoints"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def _note(file: Path, endpoints: list[str] | tuple[str, ...]) -> None:
    known = list(dict.fromkeys(endpoints))[:MAX_ENDPOINTS]
    _write(_beside(file), json.dumps({"endpoints": known}).encode())


def _beside(file: Path) -> Path:
    return file.with_suffix(".json")


def _write(file: Path, data: bytes) -> None:
    """All of it or nothing. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", dir=file.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    Path(name).chmod(0o644)
    Path(name).replace(file)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    _beside(file).unlink(missing_ok=True)
