"""Subscriptions end to end: an OPC UA server → gateway (journal FULL, API up) → mosquitto → far end."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.rig import Figure, Window, broker, cpu_seconds, far_end, gateway, process, watch

DEVICES, ITEMS = 50, 100
"""Monitored items of each device, read by one command."""
WARM_S = 6.0
SECONDS = 20.0
RESOURCE = """  - name: R{i}
    attributes: {{ nodeId: "nsu=urn:southgate:bench;s=R$(first + {i})" }}
    properties: {{ valueType: Float64, readWrite: R }}
"""


def sub() -> Iterator[Figure]:
    """5,000 monitored items that all change each second, against the yardstick in the same run."""
    count = DEVICES * ITEMS
    load = f"{DEVICES} devices x {ITEMS} Doubles that change each second, one session, no security, {SECONDS:.0f} s"
    with _server(count) as url, broker() as cloud:
        bare = _bare(url, count)
        ours = _gateway(url, cloud.port)
    to = load + "; MQTT 5 QoS 1, journal FULL"
    yield Figure("opcua.sub.cpu_ratio", ours.cpu_percent / bare, "ratio", to)
    yield Figure("opcua.sub.bare_cpu_percent", bare, "% of a core", load + "; asyncua only, values dropped")
    yield Figure("opcua.sub.cpu_percent", ours.cpu_percent, "% of a core", to)
    yield Figure("opcua.sub.rss_mb", ours.rss_mb, "MB", to)
    yield Figure("opcua.sub.age_p99_ms", ours.came["age_p99_ms"], "ms", to + "; receipt to far end")
    yield Figure("opcua.sub.delivered_percent", _delivered(ours), "%", to)


def _gateway(url: str, mqtt: int) -> Window:
    with (
        far_end(mqtt) as end,
        tempfile.TemporaryDirectory() as folder,
        gateway(_folder(Path(folder), url, mqtt)) as running,
    ):
        time.sleep(WARM_S)
        return watch(running.pid, end, SECONDS)


def _delivered(window: Window) -> float:
    """Percent of the changes between a device's first and last that arrived with all its values; of a device that never
    came all are lost. What one notification brings twice, because the server was about to change when it published,
    counts twice, as it should."""
    turns = window.came["turns"].values()
    due = sum(last - first + 1 for first, last, _ in turns) + (DEVICES - len(turns)) * window.seconds
    return 100 * min(sum(count for _, _, count in turns), window.came["values"] / ITEMS) / due


def _bare(url: str, count: int) -> float:
    """Percent of a core."""
    with process(sys.executable, "-m", "tests.bench.bare_opcua", url, str(count)) as running:
        time.sleep(WARM_S)
        before, began = cpu_seconds(running.pid), time.monotonic()
        time.sleep(SECONDS)
        return 100 * (cpu_seconds(running.pid) - before) / (time.monotonic() - began)


@contextmanager
def _server(count: int) -> Iterator[str]:
    with process(sys.executable, "-m", "tests.bench.opcua_server", str(count)) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


def _folder(folder: Path, url: str, mqtt: int) -> Path:
    """Writes a gateway.yaml with one profile and its devices; gives its path."""
    for name in ("profiles", "devices"):
        (folder / name).mkdir()
    profile = "name: bench\nparameters: { first: { valueType: Uint32 } }\ndeviceResources:\n"
    profile += "".join(RESOURCE.format(i=i) for i in range(ITEMS))
    profile += "deviceCommands:\n  - name: all\n    readWrite: R\n    resourceOperations:\n"
    profile += "".join(f"      - {{ deviceResource: R{i} }}\n" for i in range(ITEMS))
    (folder / "profiles" / "bench.yaml").write_text(profile)
    rows = ["deviceList:"]
    for number in range(DEVICES):
        rows += [
            f"  - name: device-{number}",
            "    profileName: bench",
            f"    protocols: {{ opcua: {{ Endpoint: '{url}', AllowNone: true }} }}",
            f"    properties: {{ parameters: {{ first: {number * ITEMS} }} }}",
            "    autoEvents: [{ interval: 1s, sourceName: all }]",
        ]
    (folder / "devices" / "bench.yaml").write_text("\n".join(rows) + "\n")
    settings = folder / "gateway.yaml"
    settings.write_text(
        "gateway: { name: bench, profiles: [profiles/], devices: devices/, data: data/ }\n"
        "api: { listen: '127.0.0.1:0' }\n"
        f"cloud: {{ mqtt: {{ url: 'mqtt://127.0.0.1:{mqtt}' }} }}\n"
    )
    return settings
