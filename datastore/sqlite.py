"""How we open SQLite: write-ahead log, every commit on the disk when it returns; and what its errors mean."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.model.errors import ConfigError

PAGE_BYTES = 1024
"""Small pages: a commit rewrites a few half-filled ones, and that is most of what it writes beyond the data."""
SIDE_FILES = ("-wal", "-shm", "-journal")
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Corrupt(Exception):
    """A database file that cannot be read as one."""


def open_writer(path: Path, wal_bytes: int) -> sqlite3.Connection:
    """A connection that writes, creating the file if need be; `wal_bytes` 0: as the file is, without a write-ahead log.
    Raises sqlite3.Error, OSError."""
    fresh = not path.exists()
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        if wal_bytes:
            db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=OFF")
        db.execute("PRAGMA cache_size=-1000")
        db.execute(f"PRAGMA wal_autocheckpoint={max(wal_bytes // PAGE_BYTES, 1)}")
        db.execute(f"PRAGMA journal_size_limit={wal_bytes}")
        if fresh:
            sync_folder(path.parent)
    except BaseException:
        db.close()
        raise
    return db


def without_log(db: sqlite3.Connection) -> None:
    """Folds the write-ahead log in and does without one from now on, unless somebody is reading just now: then it
    stays, which costs only room. Raises sqlite3.Error."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA busy_timeout=50")
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("PRAGMA journal_mode=DELETE")


def recover(path: Path) -> None:
    """Takes back a change that the power cut short, which a connection that only reads cannot. Raises sqlite3.Error."""
    if path.with_name(path.name + "-journal").exists():
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("SELECT 1 FROM sqlite_schema").fetchone()


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. On a read-only disk what a write-ahead log holds beside the file is not seen.
    Raises sqlite3.Error."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        db.close()
        if not path.exists() or os.access(path.parent, os.W_OK):
            raise
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on disk at the end. Raises sqlite3.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def prepare(db: sqlite3.Connection, schema: str, version: int, path: Path) -> None:
    """Creates the tables in an empty file; refuses another version's. Raises ConfigError, Corrupt, sqlite3.Error."""
    with reading(path):
        if not is_version(db, version, path):
            with transaction(db):
                for statement in schema.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={version}")


def is_version(db: sqlite3.Connection, version: int, path: Path) -> bool:
    """False: the file is empty. Raises ConfigError, with what to do, for a file of another version."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, version):
        raise ConfigError(
            f"{path} has format {found}, this program writes format {version}: it was written by another version. "
            f"Start that version, or move the file away to begin with an empty one"
        )
    return bool(found == version)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns SQLite's word for a damaged file into ours. Raises Corrupt."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_corrupt(error):
            raise Corrupt(f"{path}: {error}") from error
        raise


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file itself is damaged, as against a disk that refuses."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT


def is_full(error: BaseException) -> bool:
    """Whether there is no room on the disk."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_FULL


def check(db: sqlite3.Connection, path: Path) -> None:
    """Raises Corrupt when the file's structure is damaged."""
    with reading(path):
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Corrupt(f"{path}: {found}")


def move_aside(path: Path, now: int) -> Path:
    """Renames a damaged file, with its log, to a name that nothing reads. Raises OSError."""
    stamp = datetime.fromtimestamp(now // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    for number in range(2, 1000):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    path.rename(aside)
    for side in SIDE_FILES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(aside.with_name(aside.name + side))
    return aside


def remove(path: Path) -> None:
    """Deletes a database with its side files. Raises OSError."""
    for side in ("", *SIDE_FILES):
        path.with_name(path.name + side).unlink(missing_ok=True)


def size(path: Path) -> int:
    """Bytes on disk with its side files."""
    total, name = 0, str(path)
    for side in ("", *SIDE_FILES):
        try:
            total += os.stat(name + side).st_size  # noqa: PTH116  asked at every commit; a Path costs ten times as much
        except OSError:
            continue
    return total


def sync_folder(folder: Path) -> None:
    """A new or renamed file is really in its folder afterwards. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def why(error: BaseException) -> str:
    """What the disk said, for people."""
    return str(error) or type(error).__name__
