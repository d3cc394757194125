"""Files in a folder: CSV, JSON Lines, Parquet. Rows are on disk when `send` returns, in a file that ends in `.part`.

A file is finished when it is large or old enough: synced, renamed in one step, never touched again. After a crash the
rows of a cut last line are taken off and the file goes on; what had not been acknowledged comes again, with the same
ids. Parquet cannot be appended to: its rows gather as JSON Lines, and a process of its own turns them into the file.
"""

import asyncio
import contextlib
import gzip
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from datastore.exporters.settings import FilesSettings
from datastore.exporters.tables import Rows, csv_text, json_lines
from datastore.exporters.threads import Threads
from datastore.sqlite import sync_folder
from gateway.model.errors import NotConnected
from gateway.model.reading import Batch

P = ParamSpec("P")
T = TypeVar("T")
PART = ".part"
STAMP = r"\d{8}T\d{6}\.\d{6}Z"
LOOK_S = 1.0
"""How often an idle file's age is looked at."""
CONVERT_S = 600.0
"""How long making a Parquet file may take."""
CLOSE_S = 2.0
"""A disk that hangs, or a Parquet file being made, does not hold up the end of the program."""
_TURNS: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
"""One at a time works on a part, also when an exporter was closed and another begun while a thread was at it."""


class FilesExporter:
    """Implements `gateway.model.contracts.Exporter`. One thread: rows of live values and of what waited share a file,
    in the order they come."""

    def __init__(self, name: str, settings: FilesSettings, gateway: str) -> None:
        self.name = name
        self._settings = settings
        self._rows = Rows(settings.columns, gateway, bool(settings.only.messages))
        self._text = csv_text if settings.format == "csv" else json_lines(self._rows.names)
        self._part = settings.folder / f"{name}.{'jsonl' if settings.format == 'parquet' else settings.format}{PART}"
        self._threads = Threads(f"export {name}", count=1)
        self._turn = _TURNS[self._part]
        self._file: BinaryIO | None = None
        self._began = 0.0

    async def connect(self) -> None:
        if self._file is None:
            self._file = await self._threads.call(self._guarded, self._open)

    def _open(self) -> BinaryIO:
        """Goes on with a file that was being written; one with other columns is finished."""
        self._settings.folder.mkdir(parents=True, exist_ok=True)
        for path in self._files(rf"{self._settings.format}(\.gz)?\.tmp"):
            path.unlink(missing_ok=True)
        self._began = time.time()
        if self._part.exists() and self._part.stat().st_size:
            self._began = self._part.stat().st_mtime
            _mend(self._part, self._settings.format == "csv")
            with self._part.open("rb") as begun:
                other = begun.read(len(self._head)) != self._head
            if other:
                self._finish()
        file = self._part.open("ab")
        try:
            if not file.tell():
                file.write(self._head)
                file.flush()
                sync_folder(self._settings.folder)
        except BaseException:
            file.close()
            raise
        return file

    @property
    def _head(self) -> bytes:
        return csv_text([self._rows.names]).encode() if self._settings.format == "csv" else b""

    async def send(self, batch: Batch) -> None:
        if self._file is None:
            raise NotConnected(f"{self._settings.folder}: not open")
        await self._threads.call(self._guarded, self._write, batch)

    def _write(self, batch: Batch) -> None:
        file = self._file  # the one of now: another may have been begun since `send` was called
        if file is None or file.closed:
            raise NotConnected(f"{self._part} was closed")
        if file.tell() >= self._settings.bytes_max:
            file = self._rotate(file)
        rows = [row for record in batch for row in self._rows.of(record)]
        before = file.tell()
        try:
            file.write(self._text(rows).encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise

    def _guarded(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises NotConnected where the disk refuses."""
        try:
            with self._turn:
                return job(*args, **kwargs)
        except OSError as error:
            raise NotConnected(
                f"{error.filename or self._settings.folder} cannot be written: {error.strerror or error}"
            ) from None

    # ---------------------------------------------------------------------------------------------------- rotation

    def _rotate(self, file: BinaryIO) -> BinaryIO:
        """Before anything more is written: when it does not work, nothing is written twice."""
        if file.tell() <= len(self._head):
            self._began = time.time()
            return file
        file.close()
        self._finish()
        fresh = self._open()
        if self._file is not file:
            fresh.close()
            raise NotConnected(f"{self._part} was closed")
        self._file = fresh
        return fresh

    def _finish(self) -> None:
        """The part becomes a file of its own."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        folder, name = self._settings.folder, f"{self.name}-{stamp}.{self._settings.format}"
        if self._settings.format == "parquet":
            self._convert(folder / name)
        elif self._settings.gzip:
            name += ".gz"
            self._compress(folder / name)
        else:
            self._part.rename(folder / name)
        sync_folder(folder)
        self._forget_old()

    def _compress(self, target: Path) -> None:
        fresh = target.with_name(target.name + ".tmp")
        with self._part.open("rb") as whole, fresh.open("wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6) as packed:
                shutil.copyfileobj(whole, packed)
            raw.flush()
            os.fsync(raw.fileno())
        fresh.rename(target)
        self._part.unlink()

    def _convert(self, target: Path) -> None:
        fresh = target.with_name(target.name + ".tmp")
        command = [sys.executable, "-m", "datastore.exporters.parquet", str(self._part), str(fresh)]
        done = subprocess.run(  # noqa: S603
            [*command, *(f"{name}={word}" for name, word in self._rows.columns.items())],
            capture_output=True,
            timeout=CONVERT_S,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise OSError(0, f"Parquet could not be made: {said[-1] if said else done.returncode}", str(fresh))
        fresh.rename(target)
        self._part.unlink()

    def _forget_old(self) -> None:
        if self._settings.keep:
            for path in self._files(rf"{self._settings.format}(\.gz)?")[: -self._settings.keep]:
                path.unlink(missing_ok=True)

    def _files(self, ending: str) -> list[Path]:
        """Ours with a time in their name, oldest first."""
        mine = re.compile(rf"{re.escape(self.name)}-{STAMP}\.{ending}")
        return sorted(path for path in self._settings.folder.iterdir() if mine.fullmatch(path.name))

    async def lost(self) -> str:
        """Meanwhile a file that is old enough is finished, also when nothing comes."""
        while True:
            await asyncio.sleep(min(LOOK_S, self._settings.age_s))
            if self._file is None:
                return "closed"
            try:
                await self._threads.call(self._guarded, self._look)
            except NotConnected as error:
                return str(error)

    def _look(self) -> None:
        file = self._file
        if file is not None and not file.closed and time.time() - self._began >= self._settings.age_s:
            self._rotate(file)

    async def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await self._threads.call(self._let_go, file)
            except (TimeoutError, NotConnected):
                threading.Thread(target=self._let_go, args=(file,), daemon=True).start()
        self._threads.close()

    def _let_go(self, file: BinaryIO) -> None:
        with contextlib.suppress(OSError), self._turn:
            file.close()


def _mend(path: Path, quoted: bool) -> None:
    """Takes off what comes after the last whole row. Raises OSError. `quoted`: a line may end within a cell."""
    keep = at = quotes = 0
    with path.open("rb+") as file:
        for line in file:
            at += len(line)
            quotes += line.count(b'"') if quoted else 0
            if line.endswith(b"\n") and not quotes % 2:
                keep = at
        if keep < at:
            file.truncate(keep)
