"""A serial line of Modbus RTU units on a pty, at the pace of a real one.

Prints its path; for every line on its standard input it prints, as JSON, when each unit was asked since the last time
(monotonic seconds).
"""

import argparse
import json
import os
import select
import sys
import time
import tty

from pymodbus.framer import FramerRTU

REQUEST = 8
"""Bytes of a read request."""


def serve(master: int, live: frozenset[int], exchange: float) -> None:
    """Until standard input ends. `exchange`: seconds from request to answer, characters and all."""
    asked: dict[int, list[float]] = {}
    heard = b""
    while True:
        ready, _, _ = select.select([master, sys.stdin], [], [])
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(json.dumps(asked), flush=True)
            asked = {}
        if master in ready:
            heard += os.read(master, 256)
            while len(heard) >= REQUEST:
                frame, heard = heard[:REQUEST], heard[REQUEST:]
                asked.setdefault(frame[0], []).append(time.monotonic())
                if frame[0] in live:
                    time.sleep(exchange)
                    os.write(master, answer(frame))


def answer(frame: bytes) -> bytes:
    """Registers that hold their own place."""
    count = int.from_bytes(frame[4:6])
    body = bytes((frame[0], frame[1], 2 * count)) + b"".join(n.to_bytes(2) for n in range(count))
    return body + FramerRTU.compute_CRC(body).to_bytes(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exchange", type=float)
    parser.add_argument("live", nargs="+", type=int)
    options = parser.parse_args()
    master, slave = os.openpty()
    tty.setraw(slave)
    print(os.ttyname(slave), flush=True)
    serve(master, frozenset(options.live), options.exchange)


if __name__ == "__main__":
    main()
