"""What is suspected, and how long that counts."""

from asyncua import ua

from mappers.opcua.subscription.item import Item, Wish
from mappers.opcua.subscription.outlet import Data
from mappers.opcua.subscription.watchdog import Watchdog
from tests.support.clock import MovingClock


def holds(value: int) -> Data:
    data: Data = ua.DataValue(ua.Variant(value, ua.VariantType.Int32))
    return data


async def test_one_that_is_not_watched_any_more_is_not_suspected(clock: MovingClock) -> None:
    """While somebody is, patience that has grown does not shrink."""
    watchdog, told = Watchdog(clock), {1: holds(1), 2: holds(2)}
    one, other = (Item(Wish(ua.NodeId(handle), 0.1), handle, id=handle) for handle in (1, 2))

    async def look(*items: Item, after: float = 10) -> list[Item]:
        await clock.advance(after)
        return watchdog.judge(items, [holds(7) if item is one else told[item.handle] for item in items], told, 1.0)

    assert await look(one, other) == []
    assert await look(one, other) == [one]
    watchdog.begin()
    assert await look(one, other) == []
    assert await look(one, other, after=6) == [], "that did not help: it has to be wrong for twice as long"
    watchdog.forget(one.handle)
    for _ in range(3):
        assert await look(other) == []
    assert await look(one, other) == []
    assert await look(one, other, after=6) == [one]
