"""`southgate export` and `southgate deadletter`, at a gateway that answers as a test says."""

from typing import Any

import pytest

from gateway.cli import export
from gateway.model.errors import ConfigError
from tests.unit.cli.conftest import Gateway, Run

PATH = "/gateway/api/v1/exports"
LETTERS = "/gateway/api/v1/deadletters"
JOB: dict[str, Any] = {
    "id": "1-0", "exporter": "db", "consumer": "export-db", "start": 10**18, "end": 2 * 10**18, "progress": 1.0,
    "state": "done", "sent": 12, "refused": 0, "reason": "",
}  # fmt: skip


def test_a_stretch_is_asked_for_and_watched_to_its_end(southgate: Run, gateway: Gateway) -> None:
    gateway.says(PATH, JOB | {"state": "running", "progress": 0.1}, 202)
    gateway.says(f"{PATH}/1-0", JOB)
    ran = southgate(
        "export", "db", "--from", "2001-09-09T01:46:40Z", "--to", "2033-05-18T03:33:20Z", "--url", gateway.url
    )
    assert (ran.code, ran.out) == (0, "db: done, 12 records sent\n")
    assert gateway.asked[0].body == {"exporter": "db", "start": 10**18, "end": 2 * 10**18}


def test_what_was_refused_is_said(southgate: Run, gateway: Gateway) -> None:
    gateway.says(PATH, JOB | {"refused": 3}, 202)
    ran = southgate("export", "db", "--from", "2001-01-01T00:00:00Z", "--url", gateway.url, "--no-wait")
    assert ran.code == 1
    assert "3 refused: southgate deadletter list db" in ran.out


@pytest.mark.parametrize(
    ("text", "found"), [("0s", 10**18), ("1h30m", 10**18 - 5400 * 10**9), ("1970-01-01T00:00:07+00:00", 7 * 10**9)]
)
def test_times(text: str, found: int) -> None:
    assert export.moment(text, 10**18) == found


@pytest.mark.parametrize("text", ["yesterday", "5 parsecs", "2026-13-01", "5"])
def test_no_times(text: str) -> None:
    with pytest.raises(ConfigError, match="is no time"):
        export.moment(text, 10**18)


def test_from_after_to(southgate: Run, gateway: Gateway) -> None:
    ran = southgate("export", "db", "--from", "1h", "--to", "2h", "--url", gateway.url)
    assert (ran.code, "--from must be before --to" in ran.err) == (2, True)


def test_an_exporter_there_is_not(southgate: Run, gateway: Gateway) -> None:
    gateway.says(PATH, {"message": "there is no exporter bd; there are: db"}, 404)
    ran = southgate("export", "bd", "--from", "2001-01-01T00:00:00Z", "--url", gateway.url)
    assert (ran.code, "there are: db" in ran.err) == (1, True)


def test_letters(southgate: Run, gateway: Gateway) -> None:
    record = {"deviceName": "meter", "sourceName": "all", "origin": 1_763_635_200_000_000_000}
    letter = {"number": 7, "exporter": "db", "at": 1, "why": "no such field", "record": record}
    gateway.says(LETTERS, {"total": 3, "letters": [letter]})
    ran = southgate("deadletter", "list", "db", "--url", gateway.url)
    assert ran.code == 0
    assert "7  db        meter   all   2025-11-20 10:40:00Z  no such field" in ran.out
    assert "and 2 more" in ran.out
    assert gateway.asked[-1].path == f"{LETTERS}?limit=100&exporter=db"


def test_retry_and_drop(southgate: Run, gateway: Gateway) -> None:
    gateway.says(f"{LETTERS}/retry", {"sent": 1, "refused": [{"number": 8, "why": "still not"}]})
    gateway.says(f"{LETTERS}/drop", {"dropped": 4})
    ran = southgate("deadletter", "retry", "7", "8", "--url", gateway.url)
    assert (ran.code, ran.out) == (1, "1 sent, 1 refused again\n  8: still not\n")
    assert gateway.asked[-1].body == {"numbers": [7, 8]}
    ran = southgate("deadletter", "drop", "db", "--url", gateway.url)
    assert (ran.code, ran.out, gateway.asked[-1].body) == (0, "4 dropped\n", {"exporter": "db"})
    assert southgate("deadletter", "drop", "--url", gateway.url).code == 2
