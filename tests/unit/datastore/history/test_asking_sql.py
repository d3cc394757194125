"""An analyst's SELECT: what it sees, and what it cannot do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datastore.history.spans import DAILY, HOUR, MINUTE, SECOND
from gateway.model.asking import Form, Sql
from tests.support.clock import MovingClock
from tests.support.journals import journal
from tests.support.records import event, message, source
from tests.unit.datastore.history.asked import Asked, asked

pytest.importorskip("duckdb")
MIDNIGHT = 1_763_596_800 * SECOND


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Asked]:
    with asked(tmp_path) as made:
        yield made


def rows(history: Asked, sql: str) -> list[list[object]]:
    found: list[list[object]] = history.json(Sql(sql))["rows"]
    return found


async def test_the_views_unite_files_and_journal(history: Asked) -> None:
    known = source()
    first = history.source(known)
    history.values(first, MIDNIGHT, [1, None, 3], DAILY)
    history.values(first, MIDNIGHT + HOUR, [5], offset=9)
    async with journal(history.journal, MovingClock()) as store:
        store.append([event(known, 1, [7, 8]), message(2)])
        await store.commit()
        assert rows(history, "SELECT value FROM readings WHERE resource = 'Voltage' ORDER BY time") == [
            [1], [None], [3], [5], [7],
        ]  # fmt: skip
        assert rows(history, "SELECT quality FROM readings WHERE value IS NULL") == [["bad timeout"]]
        assert rows(history, "SELECT kind, device, name, body->>'state' FROM messages") == [
            ["alarm", "meter", "Hot", "raised"]
        ]
        assert rows(history, "SELECT resource, value_type FROM devices ORDER BY 1") == [
            ["Current", "Uint16"], ["Voltage", "Uint16"],
        ]  # fmt: skip
        hours = "SELECT epoch_ns(time) // 1000000000, mean, count, good FROM hour WHERE resource = 'Voltage' ORDER BY 1"
        assert [row[1:] for row in rows(history, hours)] == [[2, 3, 2], [5, 1, 1], [7, 1, 1]]


def test_a_bucket_with_late_readings_is_one_row(history: Asked) -> None:
    first = history.source(source())
    history.values(first, MIDNIGHT, [10] * 60, DAILY)
    history.values(first, MIDNIGHT + 30 * SECOND + 1, [40] * 20, offset=100)
    history.values(first, MIDNIGHT + MINUTE, [1], DAILY)
    told = rows(history, "SELECT mean, min, max, first, last, count, good FROM minute ORDER BY time")
    assert told == [[17.5, 10, 40, 10, 40, 80, 80], [1, 1, 1, 1, 1, 1, 1]]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO series SELECT * FROM series",
        "COPY (SELECT 1) TO '/tmp/asked.csv'",
        "ATTACH '/tmp/asked.db'",
        "SET threads = 8",
        "SELECT 1; SELECT 2",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "EXPORT DATABASE '/tmp/asked'",
        "",
        "SELEC 1",
        "SELECT * FROM nothing",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('http://127.0.0.1/x.csv')",
        "SELECT * FROM glob('/*')",
        "SELECT content FROM read_blob('/proc/self/environ')",
        "SELECT * FROM query('SET threads = 8')",
    ],
)
def test_nothing_but_a_select_over_the_views_is_answered(history: Asked, sql: str) -> None:
    reply = history.reply(Sql(sql))
    assert (reply.code, bool(reply.said)) == (400, True)
    assert rows(history, "SELECT 1") == [[1]], "the next question is answered"


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_one_that_never_ends_is_broken_off(history: Asked, form: Form) -> None:
    endless = "SELECT count(*) FROM range(1000000000000) a(i), range(1000) b(j) WHERE i % 7 = j % 5"
    reply = history.reply(Sql(endless, form), seconds=0.3)
    assert (reply.code, "longer than 0.3 s" in reply.said) == (504, True)
    assert rows(history, "SELECT 1") == [[1]]


def test_one_that_eats_memory_is_broken_off(history: Asked) -> None:
    reply = history.reply(Sql("SELECT list(i ORDER BY hash(i)) FROM range(100000000) r(i)"))
    assert (reply.code, "too much memory" in reply.said) == (413, True)
    assert rows(history, "SELECT 1") == [[1]]


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_too_many_rows_are_refused(history: Asked, form: Form) -> None:
    reply = history.reply(Sql("SELECT * FROM range(1000002)", form))
    assert (reply.code, "LIMIT" in reply.said) == (413, True)


def test_cells_that_look_like_formulas_are_made_harmless(history: Asked) -> None:
    sql = "SELECT '=1+1' AS \"@name\", '-5' AS minus, '+49 7' AS plus, -5 AS number, ['=x'] AS list, NULL AS none"
    body = history.body(Sql(sql, "csv")).decode()
    assert body.splitlines() == ["'@name,minus,plus,number,list,none", "'=1+1,-5,'+49 7,-5,['=x'],"]


def test_values_that_json_has_no_word_for_come_as_what_is_nearest(history: Asked) -> None:
    plain = rows(history, "SELECT 'nan'::DOUBLE, 'x'::BLOB, DATE '2026-03-01', 1.5::DECIMAL, INTERVAL 1 HOUR")
    assert plain == [[None, "eA==", "2026-03-01", 1.5, "PT3600S"]]
    assert rows(history, "SELECT 170141183460469231731687303715884105727::HUGEINT") == [[2**127 - 1]]


def test_arrow_has_its_columns_even_without_rows(history: Asked) -> None:
    assert history.arrow(Sql("SELECT 1 AS a, 'x' AS b WHERE false", "arrow")) == {"a": [], "b": []}
    assert history.arrow(Sql("SELECT 1 AS a, 'x' AS b", "arrow")) == {"a": [1], "b": ["x"]}


def test_what_a_question_does_not_name_is_not_summed_up(history: Asked) -> None:
    history.values(history.source(source()), MIDNIGHT, [1] * 10)
    made = "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, 'fresh_')"
    assert rows(history, made) == []
    assert rows(history, f'{made} AND EXISTS (FROM "MINUTE")') == [["fresh_minute"]]
