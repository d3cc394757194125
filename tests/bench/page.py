"""`python -m tests.bench.page`: docs/reference/figures.md from what `make bench` measured last (build/bench.json)."""

import json
from pathlib import Path

from tests.bench.__main__ import MUST, verdict
from tests.bench.rig import Figure

HEAD = """# Figures

Measured with `make bench` on two cores of a virtual machine (x86_64), everything on that machine: simulated devices,
mosquitto (`set_tcp_nodelay true`), the gateway, the far end. Ratios are against `tests/bench/bare_modbus.py` and
`tests/bench/bare_opcua.py`, the least code on the same libraries, in the same run. Another machine gives other absolute
figures; the ratios travel better. A bench can be run alone: each row is of the last run that had it.

| figure | value | unit | goal | conditions |
|---|---|---|---|---|
"""


def row(figure: Figure) -> str:
    relation, goal = MUST.get(figure.name, ("", None))
    value = "-" if figure.value is None else f"{figure.value:,.2f}"
    missed = " (missed)" if verdict(figure).startswith("NOT") else ""
    wanted = "" if goal is None else f"{relation.replace('<=', '≤').replace('>=', '≥')} {goal:,g}{missed}"
    return f"| `{figure.name}` | {value} | {figure.unit} | {wanted} | {figure.conditions} |"


def main() -> None:
    rows = [Figure(**entry) for entry in json.loads(Path("build/bench.json").read_text())]
    page = Path("docs/reference/figures.md")
    page.write_text(HEAD + "\n".join(row(figure) for figure in rows) + "\n")


if __name__ == "__main__":
    main()
