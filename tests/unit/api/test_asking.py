"""History over REST: what is asked is checked here, what is answered is passed through."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from datastore.history.rules import KeepRules
from datastore.history.settings import KeepRule
from gateway.model.asking import Answer, Completeness, Question, Records, Sql, Values
from gateway.model.errors import QuestionRefused
from gateway.model.ids import event_id, mark
from gateway.model.query import Selection
from tests.support.state import MemoryState
from tests.unit.api.conftest import client_of
from tests.unit.api.fakes import House

NOW = 1_763_635_200_000_000_000


@dataclass
class FakeHistory:
    """Answers with two chunks; remembers what it was asked."""

    asked: list[Question] = field(default_factory=list)
    refusal: QuestionRefused | None = None

    deleted: list[Selection] = field(default_factory=list)

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if self.refusal:
            raise self.refusal
        return Answer("text/csv; charset=utf-8", 4, chunks(), 2, {"tier": "minute", "ms": "1.5", "offset": "7"})

    async def delete(self, selection: Selection) -> None:
        self.deleted.append(selection)


async def chunks() -> AsyncIterator[bytes]:
    yield b"a\n"
    yield b"1\n"


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


@pytest.fixture
async def asking(house: House, history: FakeHistory) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(house.with_compat({"answers": history})) as client:
        yield client


async def test_values_are_asked_for_and_passed_on(
    asking: httpx.AsyncClient, history: FakeHistory, house: House
) -> None:
    now = house.clock.now()
    path = "/gateway/api/v1/history/boiler/Temperature"
    answer = await asking.get(path, params={"start": "-24h", "bucket": "5m", "of": "mean,gaps", "format": "csv"})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
        200, b"a\n1\n", "text/csv; charset=utf-8",
    )  # fmt: skip
    assert (answer.headers["x-history-tier"], answer.headers["content-length"]) == ("minute", "4")
    day = 86_400 * 10**9
    assert history.asked == [
        Values("boiler", "Temperature", now - day, now, 300 * 10**9, ("mean", "gaps"), "csv", "Float32")
    ]
    await asking.get(path, params={"start": "2025-11-20T10:40:00.25Z", "end": str(NOW + 10**9)})
    assert history.asked[1] == Values("boiler", "Temperature", NOW + 250_000_000, NOW + 10**9, value_type="Float32")
    await asking.get("/gateway/api/v1/history/gone%2Fdevice/Nothing")
    assert history.asked[2] == Values("gone/device", "Nothing", now - 3600 * 10**9, now)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"start": "yesterday"}, "start: 'yesterday' is not a duration"),
        ({"end": "-1x"}, "end: '-1x' is not a duration"),
        ({"start": "now"}, "must be after start"),
        ({"start": "1500-01-01"}, "not between 1970 and 2262"),
        ({"bucket": "soon"}, "bucket: 'soon' is not a duration"),
        ({"bucket": "1us"}, "at least 1ms"),
        ({"bucket": "-1m"}, "at least 1ms"),
        ({"of": "median"}, "of: median is unknown; there is mean, min"),
        ({"of": ","}, "nothing is unknown"),
        ({"format": "xlsx"}, "format: xlsx is unknown; there is json, csv, arrow"),
    ],
)
async def test_what_is_wrong_is_said(asking: httpx.AsyncClient, parameters: dict[str, str], said: str) -> None:
    answer = await asking.get("/gateway/api/v1/history/boiler/Temperature", params=parameters)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


async def test_sql_by_get_and_post(asking: httpx.AsyncClient, history: FakeHistory) -> None:
    await asking.get("/gateway/api/v1/query", params={"sql": "SELECT 1"})
    await asking.post("/gateway/api/v1/query", json={"sql": "SELECT 2", "format": "arrow"})
    assert history.asked == [Sql("SELECT 1"), Sql("SELECT 2", "arrow")]
    for body in ([], {"sql": 1}, {"sql": "SELECT 1", "x": 1}, {"sql": "SELECT 1", "format": "xml"}):
        assert (await asking.post("/gateway/api/v1/query", json=body)).status_code == 400
    assert (await asking.get("/gateway/api/v1/query")).status_code == 400


async def test_a_refusal_has_its_code_and_its_words(asking: httpx.AsyncClient, history: FakeHistory) -> None:
    history.refusal = QuestionRefused(504, "the question took longer than 30 s")
    answer = await asking.get("/gateway/api/v1/query", params={"sql": "SELECT 1"})
    assert (answer.status_code, answer.json()["message"]) == (504, "the question took longer than 30 s")


TAGS = {"boiler": {"site": "north"}}


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/event/all?limit=5&offset=2", Records("events", Selection(limit=5, offset=2), tags=TAGS)),
        ("/event/count", Records("events", Selection(), count=True)),
        ("/event/count/device/name/boiler", Records("events", Selection("boiler"), count=True)),
        ("/event/device/name/x?numeric=true", Records("events", Selection("x"), numeric=True)),
        ("/event/start/1/end/9", Records("events", Selection(start=1, end=9), tags=TAGS)),
        ("/reading/all", Records("readings", Selection())),
        ("/reading/count", Records("readings", Selection(), count=True)),
        ("/reading/resourceName/T?aggregateFunc=avg", Records("readings", Selection(resource="T"), aggregate="AVG")),
        (
            "/reading/device/name/d/resourceName/T/start/1/end/2?limit=-1",
            Records("readings", Selection("d", resource="T", start=1, end=2, limit=1024)),
        ),
    ],
)
async def test_core_data_asks_the_history(
    asking: httpx.AsyncClient, history: FakeHistory, path: str, question: Records
) -> None:
    answer = await asking.get(f"/core-data/api/v3{path}")
    assert (answer.status_code, answer.content) == (200, b"a\n1\n")
    assert history.asked == [question]


async def test_deletes_take_from_the_journal_and_the_history(
    asking: httpx.AsyncClient, history: FakeHistory, house: House
) -> None:
    now = house.clock.now()
    assert (await asking.delete("/core-data/api/v3/event/device/name/boiler")).status_code == 202
    assert (await asking.delete("/core-data/api/v3/event/age/1000")).status_code == 202
    identity = event_id("boiler", "Both", 77)
    assert (await asking.delete(f"/core-data/api/v3/event/id/{identity}")).status_code == 200
    assert house.store.deleted == history.deleted
    assert history.deleted == [
        Selection("boiler", limit=-1), Selection(end=now - 1000, limit=-1), Selection(event=7, limit=-1),
    ]  # fmt: skip
    asked = history.asked[0]
    assert isinstance(asked, Records)
    assert (asked.mark, asked.selection) == (mark("boiler", "Both"), Selection("boiler", "Both", start=77, end=77))


async def test_an_event_that_is_not_there(asking: httpx.AsyncClient, history: FakeHistory) -> None:
    history.refusal = QuestionRefused(404, "event not found")
    for verb in (asking.get, asking.delete):
        answer = await verb(f"/core-data/api/v3/event/id/{event_id('boiler', 'Both', 77)}")
        assert (answer.status_code, "not found" in answer.json()["message"]) == (404, True)
    assert (await asking.get("/core-data/api/v3/event/id/nonsense")).status_code == 400


async def test_completeness_is_asked_for_what_is_polled(
    asking: httpx.AsyncClient, history: FakeHistory, house: House
) -> None:
    now, day = house.clock.now(), 86_400 * 10**9
    await asking.get("/gateway/api/v1/completeness")
    await asking.get("/gateway/api/v1/completeness", params={"device": "boiler", "start": "-1h"})
    assert history.asked[0] == Completeness(now - day, now, (("boiler", "Both", 10**9),))
    assert history.asked[1] == Completeness(now - day // 24, now, (("boiler", "Both", 10**9),), "boiler")
    assert (await asking.get("/gateway/api/v1/completeness", params={"device": "nobody"})).status_code == 404
    assert (await asking.get("/gateway/api/v1/completeness", params={"start": "now"})).status_code == 400


async def test_nothing_is_expected_of_what_is_kept_only_in_part(house: House, history: FakeHistory) -> None:
    rules = [KeepRule(device="boi*", source="Both", keep="on-change"), KeepRule(keep="nothing")]
    for kept, step in ((rules, 0), ([KeepRule(label="hall"), *rules], 10**9), ([], 10**9)):
        in_force = KeepRules(MemoryState(), kept)
        async with client_of(house.with_compat({"answers": history, "keep_rules": in_force})) as api:
            await api.get("/gateway/api/v1/completeness")
        asked = history.asked[-1]
        assert isinstance(asked, Completeness)
        assert asked.sources == (("boiler", "Both", step),)
