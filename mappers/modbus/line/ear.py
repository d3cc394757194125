"""Tells whoever records a connection what goes over it, byte by byte; while nobody does, nothing is in its way."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gateway.model.recording import Kind, Tap


class Ear:
    """Of one wire."""

    def __init__(self, key: str, taps: Mapping[str, Tap]) -> None:
        """`taps`: who wants to hear now, by connection."""
        self.taps = taps
        self._key = key
        self._there: tuple[Any, Tap] | None = None
        """Where it is, and for whom."""
        self.begins: Callable[[], None] = lambda: None
        """Called when somebody begins to listen."""

    def tell(self, kind: Kind, what: bytes | str) -> None:
        """If anybody listens."""
        tap = self.taps.get(self._key)
        if tap is not None:
            tap(kind, what)

    def sent(self, ctx: Any, framing: str, data: bytes) -> None:
        """Something goes out over pymodbus's `ctx`: from now on is heard what comes in."""
        tap = self.taps.get(self._key)
        if tap is None:
            return
        if self._there != (ctx, tap):
            self._there = ctx, tap
            self._listen(ctx, tap)
            tap("framing", framing)
            self.begins()
        tap("sent", data)

    def _listen(self, ctx: Any, tap: Tap) -> None:
        """Where bytes come in; pymodbus's trace has them together with what is left of those before. Goes away when
        nobody wants to hear any more."""
        receive = partial(type(ctx).datagram_received, ctx)

        def hear(data: bytes, address: Any) -> None:
            if self.taps.get(self._key) is tap:
                tap("heard", data)
            else:
                del ctx.datagram_received
            receive(data, address)

        ctx.datagram_received = hear
