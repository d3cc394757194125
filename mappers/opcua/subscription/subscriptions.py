"""Everything the server of one session tells by itself: who wants what, the items they share, their groups."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import cast

from asyncua import ua

from gateway.model.abilities import Told
from gateway.model.contracts import Clock
from gateway.model.errors import DeviceError, NoAnswer
from gateway.model.plan import Poll
from gateway.model.reading import Quality, Source, refused
from mappers.opcua import conditions
from mappers.opcua.address import At
from mappers.opcua.codec.learn import learn_wanted
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.point import Point
from mappers.opcua.session import Session
from mappers.opcua.status import name_of
from mappers.opcua.subscription.feed import Feed, Key, Want, feed, is_read, keys, news, quiet, sharing, wants
from mappers.opcua.subscription.group import FULL, Ground, Group
from mappers.opcua.subscription.hearing import Hearing
from mappers.opcua.subscription.item import Item, Wish
from mappers.opcua.subscription.outlet import Data, Reader
from mappers.opcua.subscription.publishing import Publishing
from mappers.opcua.subscription.readers import reader
from mappers.opcua.subscription.watchdog import SAYS_NOTHING, Watchdog

AT_ONCE_S = 2.0
"""Whoever is told less often than that is told by a read what is there first."""
LOOK_S = 5.0
"""Seconds from one look to the next."""
RETRIES = 200
"""Refused nodes that one look tries again."""
NESTED = 3
"""Structures inside one another that are looked for before they are told; the rest is learned by and by."""
UNANSWERED = "BadTimeout"
NONE_THERE = "BadNoSubscription"
"""The server knows none of ours."""
GONE_NODE = (ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid)
"""An item that says so may never say anything else, though the node comes back (Part 4, 5.13.1)."""


class Subscriptions:
    """Of one session; ends with it. Nothing is heard but while `run` runs."""

    def __init__(self, session: Session, clock: Clock, counts: "Counter[str]") -> None:
        """`counts`: see `Subscribes.counts`."""
        self._session, self._clock, self._counts, self._types = session, clock, counts, session.types
        self._publishing = Publishing(session, counts)
        self._hearing = Hearing(clock, counts, session.types)
        self._ground = Ground(session, self._publishing, clock, counts, self._hearing)
        self._watchdog = Watchdog(clock)
        self._feeds: dict[Key, Feed] = {}
        self._items: dict[Wish, Item] = {}
        self._groups: list[Group] = []
        self._handle = 0
        self._turn = 0
        self._most = session.endpoint.max_items

    @property
    def alive(self) -> bool:
        """See `Subscribes.alive`."""
        return all(group.alive for group in self._groups)

    @property
    def skew_s(self) -> float | None:
        """See `Subscribes.skew_s`."""
        return self._hearing.skew_s

    @property
    def missed(self) -> Callable[[Iterable[Source]], None]:
        """See `Backfills.missed`."""
        return self._hearing.missed

    @missed.setter
    def missed(self, hear: Callable[[Iterable[Source]], None]) -> None:
        self._hearing.missed = hear

    async def run(self) -> str:
        """Hears, until the session is gone; returns why."""
        return await self._publishing.run()

    # ------------------------------------------------------------------------------------------------ who wants what

    async def subscribe(self, polls: Sequence[Poll], told: Told) -> list[Poll]:
        """See `Subscribes.subscribe`. Raises NotConnected, NoAnswer."""
        self._hearing.told = told
        read = {poll for poll in polls if is_read(poll)}
        wanted = dict.fromkeys(keys(poll for poll in polls if poll not in read))
        await self._end([key for key in self._feeds if key not in wanted])
        new = {key: feed(*key, self._read_by) for key in wanted if key not in self._feeds}
        self._feeds |= new
        self._hearing.tell(quiet(new.values(), self._clock.now()))
        await self._hurry()
        left = await self._place(list(wants(new.values())))
        without = sharing(polls, {poll for (poll, _), one in self._feeds.items() if left.intersection(one.wants)})
        await self._end([key for key in self._feeds if key[0] in without])
        self._hearing.tell(news(self._feeds.values(), self._clock.now()))
        if self._interval > AT_ONCE_S:
            await self._first([want.item for want in wants(new.values()) if want.item is not None])
        return [poll for poll in polls if poll in read or poll in without]

    async def _first(self, new: Iterable[Item]) -> None:
        """What these hold now: the server tells it when the first publishing interval is over."""
        items = [item for item in dict.fromkeys(new) if item.wish.events is None]
        found = await self._read([item.wish.node for item in items])
        pairs = zip(items, found, strict=True)
        known = [(item.handle, data) for item, data in pairs if data.StatusCode.value not in SAYS_NOTHING]
        self._hearing.take(known, self._clock.now())

    def _read_by(self, point: Point) -> Reader:
        return reader(point, self._types)

    async def _end(self, ended: Collection[Key]) -> None:
        """Nobody wants these any more."""
        gone = {self._feeds.pop(key).outlet for key in ended}
        if not gone:
            return
        targets = self._hearing.targets
        for handle, those in targets.items():
            targets[handle] = tuple(target for target in those if target[0] not in gone)
        await self._release([item for item in self._items.values() if not targets[item.handle]])

    async def _release(self, items: Collection[Item]) -> None:
        """Ends watching these; a group that watches nothing ends, but for one as long as anything is to be watched: it
        would be made again for every try."""
        for item in items:
            del self._items[item.wish]
            self._hearing.forget(item.handle)
            self._watchdog.forget(item.handle)
        for group in list(self._groups):
            await group.remove(items)
            if not group.items and (len(self._groups) > 1 or not self._feeds):
                self._groups.remove(group)
                await group.close()

    async def _hurry(self) -> None:
        """Publishing keeps up with the shortest interval."""
        interval = self._interval
        for group in self._groups:
            if interval < group.wanted:
                await group.hurry(interval)

    @property
    def _interval(self) -> float:
        return min((poll.interval for poll, _ in self._feeds), default=1.0)

    # ---------------------------------------------------------------------------------------- from wants to items

    async def _place(self, new: Sequence[Want]) -> set[Want]:
        """Finds an item for each. Returns those for which the server has no room; what else is refused is in their
        `wrong`."""
        nodes = await self._session.resolve({at for want in new for at in want.places})
        await self._learn([node for want in new if want.is_structure and isinstance(node := nodes[want.at], ua.NodeId)])
        before = set(self._items.values())
        items = [item for want in new if (item := self._item(want, nodes)) is not None]
        try:
            left = set(await self._watch(list(dict.fromkeys(item for item in items if item not in before))))
        except NoAnswer:
            await self._give_up(items)
            raise
        without = {want for want in new if want.item in left}
        for want in new:
            if want.item is not None and not want.item.refusal:
                want.said = None
        for want in new:
            if want.item is not None and want.item in before:
                self._hearing.again([want.item.handle], [want.target])
        await self._refuse({item for item in items if item.refusal})
        return without

    async def _give_up(self, items: Iterable[Item]) -> None:
        """Those that no group has come to are tried again by `look`, like those that were refused."""
        taken = {item for group in self._groups for item in group.items.values()}
        await self._refuse(_all([item for item in items if item not in taken], UNANSWERED))

    async def _learn(self, nodes: Sequence[ua.NodeId]) -> None:
        """What the structures in these nodes are made of is known before they are told."""
        values = [data.Value.Value for data in await self._read(nodes)]
        for _ in range(NESTED):
            for value in values:
                with suppress(Misfit):
                    self._types.natural(value)
            if not await learn_wanted(self._types, self._session):
                break

    async def _read(self, nodes: Sequence[ua.NodeId]) -> Sequence[Data]:
        return cast(Sequence[Data], await self._session.read(nodes, times=True))

    def _item(self, want: Want, nodes: Mapping[At, ua.NodeId | Quality]) -> Item | None:
        """The item of a want: one that is there, or a new one; None: its node is not known."""
        found = [nodes[at] for at in want.places]
        want.wrong = next((one for one in found if isinstance(one, Quality)), None)
        if want.wrong is not None:
            return None
        wish = want.wish([one for one in found if isinstance(one, ua.NodeId)])
        item = self._items.get(wish)
        if item is None:
            self._handle += 1
            item = self._items[wish] = Item(wish, self._handle)
        targets = self._hearing.targets
        targets[item.handle] = (*targets.get(item.handle, ()), want.target)
        want.item = item
        return item

    async def _refuse(self, items: Collection[Item], *, said: bool = False) -> None:
        """The server does not watch these; `look` tries them again. `said`: it has told so."""
        if not items:
            return
        for want in wants(self._feeds.values()):
            if want.item is not None and want.item in items:
                want.wrong, want.item = refused(want.item.refusal), None
                want.said = want.wrong if said else want.said
        await self._release(items)

    # ---------------------------------------------------------------------------------------- from items to groups

    async def _watch(self, items: list[Item]) -> list[Item]:
        """Returns those for which the server has no room."""
        left = items
        for group in self._groups:
            left = await self._fill(group, left)
        while left:
            group = Group(self._ground, self._interval)
            try:
                await group.open()
            except DeviceError as error:
                return _all(left, error.code)
            self._groups.append(group)
            rest = await self._fill(group, left)
            if len(rest) == len(left):
                return rest
            left = rest
        return []

    async def _fill(self, group: Group, items: list[Item]) -> list[Item]:
        """Returns those that did not fit in."""
        room = len(items) if self._most is None else max(0, self._most - len(group.items))
        if group.full or not items or not room:
            return items
        turned_away = [item for item in await group.add(items[:room]) if item.refusal == FULL]
        group.full = bool(turned_away)
        await self._refresh(group, items)
        return turned_away + items[room:]

    # -------------------------------------------------------------------------------------------- is it still true?

    async def look(self) -> None:
        """See `Subscribes.look`. Raises NotConnected, NoAnswer."""
        for group in self._groups:
            group.dead = group.dead or (NONE_THERE if self._publishing.silenced == NONE_THERE else "")
        self._publishing.resume()
        await self._publishing.end_strangers()
        for group in [group for group in self._groups if group.silent]:
            await self._again(group)
        if self._hearing.lost_events:
            self._hearing.lost_events = False
            for group in self._groups:
                await self._refresh(group, group.items.values())
        await self._retry()
        await self._compare()
        await self._understand()
        self._hearing.tell(news(self._feeds.values(), self._clock.now()))

    async def _again(self, group: Group) -> None:
        """Another subscription for the same items."""
        self._hearing.lose(group.items)
        try:
            turned_away = await group.reopen()
        except DeviceError as error:
            group.dead = error.code
            return
        self._counts["resubscribed"] += 1
        self._watchdog.begin()
        await self._refuse(turned_away)
        await self._refresh(group, group.items.values())

    async def _refresh(self, group: Group, new: Iterable[Item]) -> None:
        if any(item.wish.events is not None and item.id for item in new):
            await conditions.refresh(self._session, group.id)

    async def _retry(self) -> None:
        """Nodes that were refused, or are gone, may be there now."""
        gone = [item for item in self._items.values() if self._is_gone(item)][:RETRIES]
        for item in gone:
            item.refusal = name_of(self._hearing.last[item.handle].StatusCode.value)
        await self._refuse(gone, said=True)
        waiting = [want for want in wants(self._feeds.values()) if want.item is None]
        self._turn += RETRIES
        start = self._turn % len(waiting) if len(waiting) > RETRIES else 0
        again = (waiting * 2)[start : start + RETRIES][: len(waiting)]
        for want in again:
            self._session.forget(want.at)
        await self._place(again)

    def _is_gone(self, item: Item) -> bool:
        last = self._hearing.last.get(item.handle)
        return last is not None and last.StatusCode.value in GONE_NODE

    async def _compare(self) -> None:
        """What the server holds with what it told. Something is asked in any case: a server ends a session that asks
        nothing for long, and publish requests may lie there for an hour."""
        picked = self._watchdog.pick(list(self._items.values())) if self.alive else []
        if not picked:
            await self._session.keep()
            return
        found = await self._read([item.wish.node for item in picked])
        wrong = self._watchdog.judge(picked, found, self._hearing.last, max(group.interval for group in self._groups))
        handles = {item.handle for item in wrong}
        for group in [group for group in self._groups if handles.intersection(group.items)]:
            await self._again(group)

    async def _understand(self) -> None:
        """Structures that came and were not known are asked for, and told again."""
        if await learn_wanted(self._types, self._session):
            self._hearing.again(self._hearing.structures())


def _all(items: list[Item], code: str) -> list[Item]:
    for item in items:
        item.refusal = code
    return items
