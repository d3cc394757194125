"""The far end: subscribes to all telemetry and tells, for every line on standard input, what came since the line
before: events, values, age percentiles in ms, live and historical apart; of each device how many events with how many
values, and the stamps of the first and the last; of each whose R0 counts up, how many came from which to which; and,
where asked, each event's number and stamp. Ages are exact: one machine, one clock."""

import json
import os
import sys
import threading
import time

import msgspec
import paho.mqtt.client as mqtt


class TelemetryEvent(msgspec.Struct):
    seq: int
    ts: int
    v: dict[str, object]


class Telemetry(msgspec.Struct):
    events: list[TelemetryEvent]
    historical: bool = False


class Listener:
    """Counts what arrives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoder = msgspec.json.Decoder(Telemetry)
        self._clear()

    def _clear(self) -> None:
        self._ages: list[float] = []
        self._values = self._historical = self._messages = self._bytes = 0
        self._first_arrival = 0
        self._devices: dict[str, int] = {}
        self._seqs: dict[str, list[tuple[int, int]]] = {}
        self._counts: dict[str, int] = {}
        self._turns: dict[str, list[float]] = {}

    def on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        arrival = time.time_ns()
        telemetry = self._decoder.decode(message.payload)
        device = message.topic.split("/")[4]
        with self._lock:
            self._first_arrival = self._first_arrival or arrival
            self._devices.setdefault(device, arrival)
            self._messages += 1
            self._bytes += len(message.payload)
            seqs = self._seqs.setdefault(device, [])
            for event in telemetry.events:
                seqs.append((event.seq, event.ts))
                self._count_up(device, event.v.get("R0"))
                self._values += len(event.v)
                self._counts[device] = self._counts.get(device, 0) + len(event.v)
                if telemetry.historical:
                    self._historical += 1
                else:
                    self._ages.append((arrival - event.ts) / 1e6)

    def _count_up(self, device: str, turn: object) -> None:
        if isinstance(turn, int | float):
            counted = self._turns.setdefault(device, [turn, turn, 0])
            counted[0], counted[1] = min(counted[0], turn), max(counted[1], turn)
            counted[2] += 1

    def report(self, with_seqs: bool) -> dict[str, object]:
        with self._lock:
            ages = sorted(self._ages)
            found: dict[str, object] = {
                "live": len(ages),
                "historical": self._historical,
                "values": self._values,
                "messages": self._messages,
                "bytes": self._bytes,
                "age_p50_ms": percentile(ages, 0.50),
                "age_p99_ms": percentile(ages, 0.99),
                "age_max_ms": ages[-1] if ages else None,
                "first_arrival": self._first_arrival,
                "last_device": max(self._devices.values(), default=0),
                "devices": len(self._devices),
                "turns": self._turns,
                "polls": {
                    device: [len(seqs), self._counts[device], *_ends(seqs)] for device, seqs in self._seqs.items()
                },
            }
            if with_seqs:
                found["seqs"] = self._seqs
            self._clear()
        return found


def _ends(seqs: list[tuple[int, int]]) -> tuple[int, int]:
    stamps = [stamp for _, stamp in seqs]
    return min(stamps), max(stamps)


def percentile(ordered: list[float], share: float) -> float | None:
    """Nearest rank of an ordered list; None when empty."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def main() -> None:
    port = int(sys.argv[1])
    listener = Listener()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"listener-{os.getpid()}", protocol=mqtt.MQTTv5)
    ready = threading.Event()
    client.on_message = listener.on_message
    client.on_connect = lambda c, *_: c.subscribe("southgate/v1/+/d/+/tele/+", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.reconnect_delay_set(0.1, 0.1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    ready.wait(10)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(listener.report("seqs" in line)), flush=True)


if __name__ == "__main__":
    main()
