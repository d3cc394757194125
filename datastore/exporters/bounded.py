"""A request has a time as a whole: the time-out of a socket begins anew with every byte that drips in."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bounded(seconds: float, cut: Callable[[], None]) -> Iterator[None]:
    """Calls `cut`, which ends what is under way, after so long, and raises TimeoutError then, whatever came of it."""
    late = threading.Event()

    def ends() -> None:
        late.set()
        cut()

    timer = threading.Timer(seconds, ends)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def hang_up(wire: socket.socket | None) -> None:
    """Wakes whoever waits on it, in whatever thread; the socket itself stays his to close."""
    if wire is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(wire, socket.SHUT_RDWR)  # not that of TLS, which would take its state away from him
