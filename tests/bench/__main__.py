"""`make bench`: runs every bench, prints a table, writes build/bench.json."""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.bench import browse, dead, modbus, opcua, outage, planning, rules, soak
from tests.bench.rig import Figure

MUST: dict[str, tuple[str, float]] = {
    "modbus.s2.cpu_ratio": ("<=", 2),
    "modbus.s2.cpu_percent": ("<=", 5),
    "modbus.s2.rss_mb": ("<=", 80),
    "modbus.s2.age_p99_ms": ("<=", 30),
    "modbus.s2.delivered_percent": (">=", 100),
    "modbus.max.registers_per_s": (">=", 350_000),
    "modbus.max.loop_lag_p99_ms": ("<=", 20),
    "modbus.fast.delivered_percent": (">=", 100),
    "modbus.slow.delivered_percent": (">=", 100),
    "modbus.slow.age_p99_ms": ("<=", 120),
    "modbus.write.p99_ms_over_device": ("<=", 30),
    "modbus.plan.requests_over_optimum": ("<=", 1.05),
    "modbus.plan.ms_10k_resources": ("<=", 200),
    "modbus.soak.rss_growth_percent": ("<=", 2),
    "modbus.dead.neighbour_period_growth_percent": ("<=", 5),
    "opcua.sub.cpu_ratio": ("<=", 1.5),
    "opcua.sub.cpu_percent": ("<=", 15),
    "opcua.sub.rss_mb": ("<=", 120),
    "opcua.sub.delivered_percent": (">=", 100),
    "opcua.browse.nodes_per_s_ratio": (">=", 0.5),
    "journal.written_per_data": ("<=", 3),
    "export.influx.readings_per_s": (">=", 100_000),
    "export.drain_over_live": (">=", 10),
    "store.events100.readings_per_s": (">=", 500_000),
    "store.events1.readings_per_s": (">=", 100_000),
    "store.journal.bytes_per_reading": ("<=", 12),
    "store.history.bytes_per_reading": ("<=", 5),
    "store.soak.rss_growth_percent": ("<=", 2),
    "query.day_of_1s.ms": ("<=", 50),
    "query.bucketed_month.ms": ("<=", 300),
    "query.loop_lag_p99_ms": ("<=", 20),
    "cloud.outage.back_after_s": ("<=", 3),
    "cloud.outage.lost": ("<=", 0),
    "cloud.outage.lost_after_kill": ("<=", 0),
    "start.first_value_s": ("<=", 1.5),
    "start.all_devices_s_over_period": ("<=", 0.5),
}
"""The figures to keep, as the project's goals give them."""


def _journal() -> Iterator[Figure]:
    from tests.bench import journal

    yield from journal.written()


def _export() -> Iterator[Figure]:
    from tests.bench import export

    yield from export.export()


def _store() -> Iterator[Figure]:
    from tests.bench import store

    yield from store.store()


def _store_soak() -> Iterator[Figure]:
    from tests.bench import storesoak

    yield from storesoak.soak()


def _queries() -> Iterator[Figure]:
    from tests.bench import queries

    yield from queries.queries()


def _plan() -> Iterator[Figure]:
    yield from planning.optimum()
    yield from planning.large()


BENCHES: dict[str, Callable[[], Iterator[Figure]]] = {
    "modbus.s2": modbus.s2,
    "modbus.max": modbus.most,
    "modbus.fast": modbus.fast,
    "modbus.slow": modbus.slow,
    "modbus.write": modbus.write,
    "modbus.plan": _plan,
    "modbus.soak": soak.soak,
    "modbus.dead": dead.dead,
    "opcua.sub": opcua.sub,
    "opcua.browse": browse.browse,
    "journal": _journal,
    "export": _export,
    "rules": rules.cost,
    "store": _store,
    "store.soak": _store_soak,
    "query": _queries,
    "cloud.outage": outage.cloud,
    "start": modbus.start,
}


def verdict(figure: Figure) -> str:
    if figure.name not in MUST or figure.value is None:
        return ""
    relation, goal = MUST[figure.name]
    kept = figure.value <= goal if relation == "<=" else figure.value >= goal
    return f"{'ok ' if kept else 'NOT'} {relation} {goal:g}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"benches to run; all: {', '.join(BENCHES)}")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.only or BENCHES:
        print(f"{name} ...", file=sys.stderr)
        for figure in BENCHES[name]():
            figures.append(figure)
            value = "-" if figure.value is None else f"{figure.value:,.2f}"
            print(f"{figure.name:36} {value:>14} {figure.unit:14} {verdict(figure)}", flush=True)
    out = Path("build/bench.json")
    out.parent.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    rows = [asdict(f) | {"conditions": f"{f.conditions}; {machine}"} for f in figures]
    kept = {row["name"]: row for row in (json.loads(out.read_text()) if out.exists() and options.only else [])}
    out.write_text(json.dumps(list((kept | {row["name"]: row for row in rows}).values()), indent=1) + "\n")


if __name__ == "__main__":
    main()
