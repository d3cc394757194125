"""The Modbus device by libmodbus, compiled where a test needs it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.peers import need

CODE = Path(__file__).parents[1] / "unit/mappers/modbus/libmodbus_server.c"


def build(folder: Path) -> Path:
    """The program. Skips where there is no compiler or no libmodbus (fails on CI)."""
    made = folder / "server"
    found = subprocess.run(
        [need("pkg-config"), "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        need("libmodbus's headers (libmodbus-dev)")
    subprocess.run([need("gcc"), "-O1", "-o", made, CODE, *found.stdout.split()], check=True)
    return made


@asynccontextmanager
async def serving(*command: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program with its arguments, once it listens; killed at the end if it still runs."""
    server = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert await server.stdout.readline() == b"ready\n"
        yield server
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
