"""What arrives is obeyed, answered or counted; never anything else, whatever it is."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.command import Command
from gateway.model.errors import DeviceError, NoAnswer, NotConnected, StoreFailed
from gateway.model.reading import TIMEOUT
from gateway.northbound.complaints import MANY, Complaints
from gateway.northbound.inbox import HIGH
from tests.support.clock import MovingClock, settle
from tests.unit.northbound.fakes import event, incoming, source
from tests.unit.northbound.stage import P, Stage

CMD = f"{P}/d/m1/cmd/Relay"
DESIRED = f"{P}/d/m1/twin/desired"


def body(**more: Any) -> dict[str, Any]:
    return {"id": "c1", "args": {"Relay": True}, **more}


# ---------------------------------------------------------------------------------------------------------- commands


async def test_a_command_is_handed_on_and_then_acknowledged(stage: Stage) -> None:
    await stage.get(CMD, body(if_version=3), ResponseTopic="replies/x", CorrelationData=b"\0\xff")
    [command] = stage.commands.accepted
    assert (command.id, command.device, command.name, command.args) == ("c1", "m1", "Relay", {"Relay": True})
    assert (command.actor, command.if_version, command.expires_at) == ("mqtt", 3, None)
    assert (command.reply_to, command.correlation) == ("replies/x", b"\0\xff")
    assert stage.client.acked[-1] == stage.mids


async def test_a_command_is_not_acknowledged_before_it_is_on_disk(stage: Stage) -> None:
    gate = asyncio.Event()

    async def slow(command: Any) -> None:
        await gate.wait()

    stage.commands.accept = slow  # type: ignore[method-assign]
    await stage.get(CMD, body())
    assert stage.mids not in stage.client.acked
    gate.set()
    await settle()
    assert stage.client.acked[-1] == stage.mids


async def test_a_retained_command_is_ignored_and_counted(stage: Stage) -> None:
    await stage.get(CMD, body(), retain=True)
    assert stage.commands.accepted == []
    assert stage.counts["retained_cmd"] == 1


async def test_expiry_is_the_earlier_of_the_two(stage: Stage) -> None:
    now = stage.clock.now()
    await stage.get(CMD, body(expires_at=now + 5), MessageExpiryInterval=60)
    await stage.get(CMD, body(expires_at=now + 90 * 10**9), MessageExpiryInterval=60)
    await stage.get(CMD, body(), MessageExpiryInterval=60)
    assert [c.expires_at for c in stage.commands.accepted] == [now + 5, now + 60 * 10**9, now + 60 * 10**9]


async def test_without_expiry_the_queue_of_a_resumed_session_is_too_old(stage: Stage) -> None:
    stage.client.generation, stage.client.session_present = 2, True
    await stage.get(CMD, body(id="queued"))
    await stage.get(CMD, body(id="dated", expires_at=stage.clock.now() + 10**9))
    await stage.settled()
    await stage.get(CMD, body(id="live"))
    found = {c.id: c.expires_at for c in stage.commands.accepted}
    now = stage.clock.now()
    assert found == {"queued": now, "dated": now + 10**9, "live": None}
    assert stage.counts["queued_without_expiry"] == 1


async def test_a_new_session_has_no_queue(stage: Stage) -> None:
    stage.client.generation = 2
    await stage.get(CMD, body())
    assert stage.commands.accepted[0].expires_at is None


async def test_a_response_topic_elsewhere_is_not_used(stage: Stage) -> None:
    await stage.get(CMD, body(), ResponseTopic=f"{P}/d/m1/cmd/Relay", CorrelationData=b"1")
    assert stage.commands.accepted[0].reply_to == ""
    assert stage.counts["response_topic_refused"] == 1


async def test_what_is_not_understood_is_answered(stage: Stage) -> None:
    await stage.get(CMD, b'{"id":"c9","args":{"x":NaN}}', CorrelationData=b"k")
    await stage.get(CMD, b"no json")
    await stage.get(CMD, b'{"id":"big","args":{"x":"' + b"y" * 100_000 + b'"}}')
    await stage.get(CMD, {"args": {}}, ResponseTopic="replies/z")
    first, nameless, big = stage.client.said("Relay/result")
    assert (nameless["id"], nameless["status"], nameless["code"]) == ("", "rejected", 400)
    assert (first["id"], first["status"], first["code"]) == ("c9", "rejected", 400)
    assert "NaN" in first["error"]
    assert (big["id"], big["code"]) == ("big", 413)
    assert stage.client.said("replies/z")[0]["id"] == ""
    assert stage.commands.accepted == []
    assert (stage.counts["cmd_refused_400"], stage.counts["cmd_refused_413"]) == (3, 1)
    answer = next(m for m in stage.client.sent if m.topic.endswith("Relay/result"))
    assert answer.properties is not None
    assert answer.properties.CorrelationData == b"k"


@pytest.mark.parametrize(
    ("topic", "payload", "answer"),
    [
        (CMD, b'{"id": "x5",', "cmd/Relay/result"),
        (CMD, b"[1]", "cmd/Relay/result"),
        (CMD, b'{"args":{"Relay":true}}', "cmd/Relay/result"),
        (f"{P}/d/m1/read", b"\x00garbage", "read/result"),
        (f"{P}/d/m1/twin/get", b"{", "twin/get/result"),
        (DESIRED, b'{"epoch":', ""),
    ],
)
async def test_nothing_that_is_refused_vanishes(
    topic: str, payload: bytes, answer: str, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """There is an answer where there is a topic for it, and a warning: one per topic and minute."""
    for _ in range(3):
        await stage.get(topic, payload)
    if answer:
        found = stage.client.said(answer)
        assert [(a["id"], a["status"], a["code"]) for a in found] == [("", "rejected", 400)] * 3
    (warned,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warned.startswith(f"A message on {topic} is refused: ")
    await stage.clock.advance(61)
    await stage.get(topic, payload)
    await stage.get(topic.replace("m1", "m2"), payload)
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 3


async def test_a_flood_of_topics_is_not_complained_of_one_by_one(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    complaints = Complaints(stage.clock)
    for number in range(MANY + 10):
        complaints.of(f"t/{number}", "why")
    assert len(caplog.records) == MANY
    await stage.clock.advance(61)
    complaints.of("t/0", "why")
    assert len(caplog.records) == MANY + 1


async def test_a_disk_that_refuses_is_said(stage: Stage) -> None:
    stage.commands.fails = StoreFailed("full")
    await stage.get(CMD, body())
    [answer] = stage.client.said("Relay/result")
    assert (answer["id"], answer["code"], answer["status"]) == ("c1", 503, "rejected")


@pytest.mark.parametrize("topic", [f"{P}/d/%00/cmd/x", f"{P}/d/m1/cmd/%GG", f"{P}/other", f"{P}/d/\udcff/cmd/x"])
async def test_topics_that_are_none_are_counted(stage: Stage, topic: str) -> None:
    await stage.get(topic, body())
    assert stage.counts["bad_topic"] == 1
    assert stage.client.acked[-1] == stage.mids


async def test_a_flood_stops_the_reading_and_goes_on_afterwards(stage: Stage) -> None:
    for _ in range(HIGH + 2):
        stage.inbox.put(incoming(CMD, body()))
    assert stage.client.paused
    await settle(3 * HIGH)
    assert not stage.client.paused
    assert len(stage.commands.accepted) == HIGH + 2


async def test_a_bug_in_the_house_does_not_end_the_inbox(stage: Stage) -> None:
    stage.commands.fails = RuntimeError("ours")
    await stage.get(CMD, body())
    stage.commands.fails = None
    await stage.get(CMD, body())
    assert stage.counts["bugs"] == 1
    assert len(stage.commands.accepted) == 1


# ------------------------------------------------------------------------------------------------ read, get, rebirth


async def test_read_now_answers_with_values(stage: Stage) -> None:
    of = source("m1", "all", "A", "B")
    stage.commands.events["m1", "all"] = event(of, 1.5, None, origin=9, quality={1: TIMEOUT})
    await stage.get(f"{P}/d/m1/read", {"id": "r1", "source": "all"}, ResponseTopic="replies/r")
    [answer] = stage.client.said("replies/r")
    assert (answer["id"], answer["status"], answer["code"], answer["attempt"]) == ("r1", "confirmed", 200, 1)
    assert answer["result"] == {"ts": 9, "v": {"A": 1.5, "B": None}, "q": {"B": ["bad", "timeout"]}}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotConnected("gone"), "rejected", 503),
        (NoAnswer("silent"), "failed", 504),
        (DeviceError("2", "illegal address"), "failed", 502),
        (RuntimeError("ours"), "rejected", 500),
    ],
)
async def test_a_read_that_fails_says_why(stage: Stage, error: Exception, status: str, code: int) -> None:
    stage.commands.fails = error
    await stage.get(f"{P}/d/m1/read", {"id": "r1", "source": "all"})
    [answer] = stage.client.said("/d/m1/read/result")
    assert (answer["id"], answer["status"], answer["code"]) == ("r1", status, code)


async def test_a_late_read_and_an_unknown_source(stage: Stage) -> None:
    await stage.get(f"{P}/d/m1/read", {"id": "late", "source": "all", "expires_at": stage.clock.now() - 1})
    await stage.get(f"{P}/d/m1/read", {"id": "none", "source": "all"})
    assert [(a["id"], a["code"]) for a in stage.client.said("read/result")] == [("late", 410), ("none", 404)]


async def test_the_twin_is_given_on_request(stage: Stage) -> None:
    stage.twins.set("m1", Power=5)
    await stage.get(f"{P}/d/m1/twin/get", b"")
    await stage.get(f"{P}/d/m1/twin/get", {"id": "g"}, ResponseTopic="replies/g")
    await stage.get(f"{P}/d/nobody/twin/get", b"")
    [document] = stage.client.said("/d/m1/twin/get/result")
    assert (document["version"], document["properties"]) == (2, {"Power": 5})
    assert stage.client.said("replies/g")[0]["id"] == "g"
    assert stage.client.said("/d/nobody/twin/get/result")[0]["code"] == 404


async def test_rebirth_is_noted_and_marks_are_not(stage: Stage) -> None:
    await stage.get(f"{P}/rebirth", b'{"mark":"old"}')
    assert not stage.inbox.rebirth.is_set()
    await stage.get(f"{P}/rebirth", b"")
    assert stage.inbox.rebirth.is_set()


async def test_a_broker_that_keeps_the_mark_is_not_waited_for(clock: MovingClock) -> None:
    stage = Stage(clock)
    task = asyncio.create_task(stage.inbox.settle())
    await clock.advance(5)
    await task
    assert stage.counts["mark_missing"] == 1
    await stage.close()


async def test_a_long_queue_is_recorded_to_its_end_before_anything_counts_as_new(clock: MovingClock) -> None:
    stage = Stage(clock)
    stage.client.session_present = True

    async def slowly(command: Command) -> None:
        await clock.sleep(0.02)
        stage.commands.accepted.append(command)

    stage.commands.accept = slowly  # type: ignore[method-assign]
    task = asyncio.create_task(stage.inbox.settle())
    await settle()
    (mark,) = stage.client.sent
    for number in range(600):
        stage.inbox.put(incoming(CMD, body(id=f"c{number}")))
    stage.inbox.put(incoming(mark.topic, mark.payload))
    stage.inbox.put(incoming(CMD, body(id="live")))
    await clock.advance(13)
    await task
    assert [c.id for c in stage.commands.accepted if c.expires_at is None] == ["live"]
    assert len(stage.commands.accepted) == 601
    await stage.close()


async def test_without_a_mark_steady_traffic_neither_counts_as_new_nor_keeps_us_waiting(clock: MovingClock) -> None:
    stage = Stage(clock)
    stage.client.session_present = True
    task = asyncio.create_task(stage.inbox.settle())
    for number in range(20):
        await clock.advance(1)
        await stage.get(CMD, body(id=f"c{number}"))
    assert task.done()
    assert all(c.expires_at is not None for c in stage.commands.accepted)
    assert stage.counts["mark_missing"] == 1
    await stage.close()


async def test_a_connection_lost_while_settling_is_heard(clock: MovingClock) -> None:
    stage = Stage(clock)
    task = asyncio.create_task(stage.inbox.settle())
    await settle()
    stage.inbox.lost()
    with pytest.raises(NotConnected):
        await task
    await stage.close()


# ------------------------------------------------------------------------------------------------------- whatever else

TOPICS = st.sampled_from([CMD, DESIRED, f"{P}/d/m1/read", f"{P}/d/m1/twin/get", f"{P}/rebirth", f"{P}/d/%2/read"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(
    st.sampled_from(["id", "args", "expires_at", "if_version", "source", "epoch", "version", "properties", "mark"]),
    JSON,
)
PAYLOADS = st.binary(max_size=60) | BODIES.map(lambda given: json.dumps(given).encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(TOPICS, PAYLOADS, st.booleans()), min_size=1, max_size=8))
def test_nothing_that_arrives_is_an_error(arriving: list[tuple[str, bytes, bool]]) -> None:
    async def all_of_it() -> None:
        stage = Stage(MovingClock())
        await stage.settled()
        for topic, payload, retain in arriving:
            await stage.get(topic, payload, retain)
        assert stage.counts["bugs"] == 0
        assert len(stage.client.acked) == stage.mids
        for command in stage.commands.accepted:
            assert isinstance(command.id, str)
            assert isinstance(command.args, dict)
        for sent in stage.client.sent:
            json.loads(sent.payload)
        await stage.close()

    asyncio.run(all_of_it())
