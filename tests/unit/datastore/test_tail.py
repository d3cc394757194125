"""What waits for a disk that does not take it: bounded, by the declared policy, messages last."""

from datastore.tail import Tail
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Message, Record, Source
from tests.support.records import event, message, resource, source

OF = Source("s", "p", "d", "all", source(names=[f"R{n}" for n in range(100)]).resources, number=1)


def put(tail: Tail, offset: int, record: Record) -> int:
    if not tail.takes(record):
        return 1
    record.offset = offset
    tail.append(record)
    return tail.shed()


def test_drop_oldest_keeps_the_newest_readings_and_all_messages() -> None:
    tail = Tail("drop-oldest", limit=10_000)
    gone = sum(put(tail, n, message(n) if n % 50 == 0 else event(OF, n)) for n in range(1, 1001))
    offsets = [r.offset for r in tail.uncommitted()]
    assert offsets == sorted(offsets)
    assert len(offsets) == 1000 - gone
    assert len([r for r in tail.uncommitted() if isinstance(r, Message)]) == 20
    assert offsets[-1] == 1000
    assert 60 < len(offsets) < 120


def test_drop_newest_keeps_the_oldest_and_lets_messages_in() -> None:
    tail = Tail("drop-newest", limit=10_000)
    gone = sum(put(tail, n, event(OF, n)) for n in range(1, 1001))
    assert put(tail, 1001, message(1)) == 0
    offsets = [r.offset for r in tail.uncommitted()]
    assert offsets == [*range(1, 1001 - gone), 1001]


def test_messages_alone_are_bounded_too() -> None:
    for policy in ("drop-oldest", "drop-newest"):
        tail = Tail(policy, limit=1000)  # type: ignore[arg-type]
        for n in range(1, 500):
            put(tail, n, message(n))
        assert len(tail.records) <= 41


def test_large_values_weigh_more() -> None:
    picture = Source("s", "p", "d", "all", (resource("Picture", ValueType.BINARY),), number=2)
    tail = Tail("drop-oldest", limit=100_000)
    gone = sum(put(tail, n, Event(picture, n, [b"x" * 1_000_000])) for n in range(1, 20))
    assert gone >= 15


def test_what_is_on_disk_is_let_go_but_for_the_newest() -> None:
    tail = Tail("drop-oldest", kept=1_100)
    for n in range(1, 101):
        put(tail, n, event(OF, n))
    tail.committed(90)
    assert [r.offset for r in tail.records] == list(range(81, 101))
    assert tail.floor == 80
    assert [r.offset for r in tail.uncommitted()] == list(range(91, 101))
    assert [r.offset for r in tail.read(85, 95, 100)] == list(range(86, 96))
