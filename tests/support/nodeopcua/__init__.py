"""An OPC UA server by node-opcua: another implementation in another language, for system tests.

    async with NodeOpcua.started(tmp_path) as peer:
        await peer.tell("set", node="Speed", value=3.5)
        await peer.kill()
        await peer.start()

Security Basic256Sha256 or Aes256Sha256RsaPss with SignAndEncrypt; user `operator`, password `let-me-in`; nodes
`s=Press.…` in the namespace `urn:southgate:peer` (see server.js).
"""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.peers import lacking, need
from tests.support.ports import free_port

HERE = Path(__file__).parent
NAMESPACE = "urn:southgate:peer"
USER, PASSWORD = "operator", "let-me-in"
PLACE = Path(__file__).parents[3] / "build" / "node-opcua"
"""Where npm puts what package-lock.json lists."""


def installed() -> Path:
    """The server's script, with its packages beside it. Skips where there is no npm (fails on CI)."""
    npm, lock = need("npm"), (HERE / "package-lock.json").read_text()
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        done = PLACE / "installed"
        if not done.exists() or done.read_text() != lock:
            done.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, PLACE)
            quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
            said = subprocess.run([npm, "ci", *quiet], cwd=PLACE, capture_output=True, text=True, check=False)
            if said.returncode:
                lacking(f"npm cannot install node-opcua: {said.stderr[-500:]}")
            done.write_text(lock)
        shutil.copy(HERE / "server.js", PLACE)
    return PLACE / "server.js"


class NodeOpcua:
    """The server, which may be killed and started again on the same port with the same certificate."""

    def __init__(self, script: Path, folder: Path, port: int, words: Sequence[str]) -> None:
        self._script, self._folder, self.port, self._words = script, folder, port, words
        self._running: asyncio.subprocess.Process | None = None
        self.url = f"opc.tcp://127.0.0.1:{port}/peer"

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path, anonymous: bool = False, strict: bool = False) -> "AsyncIterator[NodeOpcua]":
        """Listening until the end; `folder` keeps its certificates. `strict`: only clients it `trust`s."""
        script = await asyncio.to_thread(installed)
        words = [word for word, said in (("anonymous", anonymous), ("strict", strict)) if said]
        peer = cls(script, folder / "node-opcua", free_port(), words)
        await peer.start()
        try:
            yield peer
        finally:
            await peer.kill()

    async def start(self) -> None:
        """Returns when it listens."""
        self._folder.mkdir(exist_ok=True)
        command = (need("node"), str(self._script), str(self.port), str(self._folder))
        self._running = await asyncio.create_subprocess_exec(
            *command,
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
        )
        assert (await self._said())["url"] == self.url

    def trust(self, certificate: Path) -> None:
        """The certificate of a client is accepted from now on."""
        folder = self._folder / "pki" / "trusted" / "certs"
        for known in (self._folder / "pki" / "rejected").glob("*"):
            known.unlink()
        shutil.copy(certificate, folder)

    async def tell(self, what: str, **more: Any) -> None:
        """`set` node value; `bad` node; `remove` node; `add` node type value. Returns when it is done."""
        assert self._running is not None
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        assert await self._said() == {"done": what}

    async def _said(self) -> dict[str, Any]:
        """Its next line that is JSON; the library chats on the same stream."""
        assert self._running is not None
        assert self._running.stdout is not None
        while line := await self._running.stdout.readline():
            if line.startswith(b"{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise AssertionError(f"node-opcua ended with {await self._running.wait()}")

    async def kill(self) -> None:
        """As a power cut would."""
        if self._running is not None:
            if self._running.returncode is None:
                self._running.kill()
            await self._running.wait()
            self._running = None
