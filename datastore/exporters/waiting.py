"""`lost()` of an exporter that keeps no connection: nothing tells that the other side is gone but the next request."""

import asyncio


class Forever:
    """Waits until the exporter is closed."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    def begin(self) -> None:
        self._closed.clear()

    def end(self) -> None:
        self._closed.set()

    async def wait(self) -> str:
        await self._closed.wait()
        return "closed"
