"""The one room with all the keys: builds the parts, joins them, runs them in one TaskGroup, stops them in order."""

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ulid import ULID

from datastore.analysis.place import Surroundings as Analysed
from datastore.analysis.place import remembering
from datastore.analysis.room import RuleRoom
from datastore.deadletters import SqliteLetters
from datastore.history.asking.client import AskedHistory, AskedJournal
from datastore.journal import Journal
from datastore.state import SqliteState
from gateway.api.parts import Health, Parts
from gateway.api.server import Listener, listen, serve
from gateway.config import Settings
from gateway.exportroom import ExportRoom
from gateway.model.alarm import OwnAlarm
from gateway.model.contracts import DeviceProtocol
from gateway.model.device import Flow
from gateway.model.ids import event_id
from gateway.model.reading import Batch
from gateway.northbound.mqtt import Identity, MqttCloud
from gateway.rereading import Rereading
from gateway.runtime.alarms import Alarms
from gateway.runtime.bus import Bus
from gateway.runtime.certificates import CertificateWatch
from gateway.runtime.clock import SystemClock
from gateway.runtime.commands.road import CommandRoad
from gateway.runtime.commands.surroundings import Surroundings
from gateway.runtime.configuration.files import Folders
from gateway.runtime.configuration.learning import Learning
from gateway.runtime.configuration.registry import FileRegistry, Keeping
from gateway.runtime.exports import Exports, Given
from gateway.runtime.forwarder import Forwarder, Forwarders
from gateway.runtime.garbage import set_aside
from gateway.runtime.health import ClockWatch, LoopLag, gauges
from gateway.runtime.lanes.running import RunningLanes
from gateway.runtime.process import cancel, only_one, signals, told_plainly
from gateway.runtime.steady import steadily
from gateway.runtime.twin.store import TwinStore
from mappers import Switchboard

if TYPE_CHECKING:
    from datastore.history.history import History
    from datastore.history.rules import KeepRules

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """The parts, joined and open, not yet running."""

    settings: Settings
    clock: SystemClock
    memory: "Memory"
    protocols: Switchboard
    lanes: RunningLanes
    registry: FileRegistry
    twins: TwinStore
    commands: CommandRoad
    lag: LoopLag
    watch: ClockWatch
    forwarders: Forwarders
    exporters: ExportRoom
    exports: Exports
    clouds: Sequence[MqttCloud]
    rules: RuleRoom
    rereading: Rereading
    keep_rules: "KeepRules | None"

    async def run(self, ready: Callable[[list[Listener]], None] = lambda _: None, ends: bool = False) -> None:
        """Runs until cancelled or until SIGTERM or SIGINT; SIGHUP reads the files again. Raises ConfigError when the
        configuration cannot run or a port is taken. `ends`: the process ends with it."""
        parts = self._parts()
        listeners = listen(parts, self.settings.api)
        stop = asyncio.Event()
        async with _closing(listeners), told_plainly(), asyncio.TaskGroup() as tasks:
            await self.twins.start()
            base = [tasks.create_task(part.run()) for part in self._base()]
            with signals(stop, self.rereading.ask, ends):
                try:
                    await self.rules.open(self.settings.rules)
                    await self.registry.reload()
                    self.rules.start()
                    await self.commands.start()
                    wishes = steadily("reconciling", self.commands.desired.run, self.clock)
                    askers = [tasks.create_task(serve(listeners)), tasks.create_task(wishes)]
                    learning = Learning(self.registry, self.lanes, self.clock)
                    self.lanes.on_found = learning.tell
                    tidying = functools.partial(set_aside, lambda: self.registry.planned, self.clock)
                    papers = CertificateWatch(self._in_use, self.clock, self.memory.alarms)
                    looks = (
                        ("the rules", self.rules.run),
                        ("the twins", self.twins.run),
                        ("learning", learning.run),
                        ("setting aside", tidying),
                        ("looking at certificates", papers.run),
                        ("exporting", self.exports.run),
                        ("reading the files again", self.rereading.run),
                    )
                    base += [tasks.create_task(steadily(name, look, self.clock)) for name, look in looks]
                    base.append(tasks.create_task(self.forwarders.run()))
                    ready(listeners)
                    await stop.wait()
                    log.info("stopping")
                    parts.recordings.end("the gateway stops")
                    await parts.scanning.close()
                    await cancel(askers)
                    await self.commands.close()
                    await self.rules.close()
                    await self.twins.save()
                finally:
                    await cancel(base)

    def _base(self) -> "Sequence[Journal | History | RunningLanes | LoopLag | ClockWatch]":
        """What runs from before the first device is planned until after the last command ended. The cloud follows when
        the devices are there: it would be refused what is not yet known."""
        history = [self.memory.history] if self.memory.history is not None else []
        return self.memory.journal, *history, self.lanes, self.lag, self.watch

    def _in_use(self) -> Iterator[DeviceProtocol[Any]]:
        """The protocols of the devices there are."""
        services = {planned.connection.service for planned in self.registry.planned.values()}
        return map(self.protocols.by_service, sorted(services))

    def _parts(self) -> Parts:
        return Parts(
            registry=self.registry,
            protocols=self.protocols,
            commands=self.commands,
            twins=self.twins,
            store=self.memory.journal,
            lanes=self.lanes,
            forwards=self.forwarders,
            clock=self.clock,
            publish=self.memory.bus.publish,
            last=self.twins.last,
            health=self._health,
            name=self.settings.gateway.name,
            version=version("southgate"),
            compat=self.settings.gateway.compat,
            metrics=lambda: gauges(self.lag, self.watch),
            cloud=lambda: sum((Counter(cloud.counters()) for cloud in self.clouds), Counter[str]()),
            settings=self._shown,
            places=self.settings.discovery,
            exports=self.exports,
            rules=self.rules,
            alarms=self.memory.alarms,
            history=self.memory.history,
            answers=self.memory.answers,
            keep_rules=self.keep_rules,
            again=self.rereading.read,
        )

    def _shown(self) -> dict[str, Any]:
        """The settings in force."""
        return self.settings.model_dump(mode="json", exclude={"exporters"}) | {"exporters": self.exporters.shown()}

    def _health(self) -> Health:
        """What is wrong: values that should come and do not, and a journal that cannot write."""
        problems = []
        for name, planned in self.registry.planned.items():
            state = self.twins.state(name)
            if planned.polls and state.state is not Flow.ONLINE:
                problems.append(f"{name} is {state.state.value}: {state.reason}")
        journal = self.memory.journal.report()
        if journal.state != "ok":
            problems.insert(0, f"the journal is {journal.state}")
        history = self.memory.history
        if history is not None and (kept := history.report()).state != "ok":
            problems.insert(0, f"the history is {kept.state}")
        return Health(tuple(problems))


@asynccontextmanager
async def build(settings: Settings, clock: SystemClock | None = None) -> AsyncIterator[House]:
    """Opens what is on disk and joins the parts; closes what is on disk at the end, in order. Raises ConfigError."""
    clock = clock or SystemClock()
    async with _memory(settings, clock) as memory:
        yield _join(settings, clock, memory)


@dataclass(frozen=True, slots=True)
class Memory:
    """What keeps things, and the bus that brings them there."""

    journal: Journal
    state: SqliteState
    letters: SqliteLetters
    bus: Bus
    alarms: Alarms
    history: "History | None"
    answers: AskedHistory | AskedJournal

    @property
    def remembers(self) -> AskedHistory | None:
        """What the journal has no more; None: nobody."""
        return self.answers if isinstance(self.answers, AskedHistory) else None


@asynccontextmanager
async def _memory(settings: Settings, clock: SystemClock) -> AsyncIterator[Memory]:
    data = settings.gateway.data
    bus: Bus
    early: list[tuple[OwnAlarm, str, str]] = []

    def publish(batch: Batch) -> None:
        bus.publish(batch)  # it comes after the journal, which may already have something to say

    async with AsyncExitStack() as stack:
        stack.enter_context(only_one(data))
        state = SqliteState(data / "state.db", clock, lambda *said: early.append(said))
        stack.push_async_callback(state.close)
        await state.open()
        letters = SqliteLetters(data / "deadletters.db", clock)
        stack.push_async_callback(letters.close)
        await letters.open()
        alarms = Alarms(publish, clock, state)
        stack.push_async_callback(alarms.close)
        journal = Journal(data / "journal", settings.journal, clock, alarms.tell)
        bus = Bus(journal)
        stack.push_async_callback(journal.close)
        history = _history(settings, journal, clock, alarms)
        if history is not None:
            stack.push_async_callback(history.close)
        answers = _answers(settings, journal, clock, history)
        stack.push_async_callback(answers.close)
        await journal.open(history.seen() if history is not None else 0)
        for said in early:  # there was no journal yet that could have kept it
            alarms.tell(*said)
        alarms.start()
        yield Memory(journal, state, letters, bus, alarms, history, answers)


def _history(settings: Settings, journal: Journal, clock: SystemClock, alarms: Alarms) -> "History | None":
    """Loaded only where one is kept. Raises ConfigError."""
    if settings.history is None:
        return None
    from datastore.history.history import History, check_extra

    check_extra()
    return History(settings.gateway.data, journal, settings.history, clock, alarms.tell)


def _answers(
    settings: Settings, journal: Journal, clock: SystemClock, history: "History | None"
) -> AskedHistory | AskedJournal:
    """What people ask."""
    if history is None or settings.history is None:
        return AskedJournal(settings.gateway.data, journal, clock)
    return AskedHistory(settings.gateway.data, journal, settings.history.ask, clock, history.bury)


def _join(settings: Settings, clock: SystemClock, memory: Memory) -> House:
    journal, state, bus, own = memory.journal, memory.state, memory.bus, settings.gateway
    protocols = Switchboard(own.aliases, place=own.place)
    lanes = RunningLanes(protocols, bus.publish, clock, own.compat)
    folders = Folders(own.profiles, own.devices)
    registry = FileRegistry(Keeping(folders, protocols, lanes, journal, state, clock, own.compat))
    twins = TwinStore(lambda: registry.planned, state, clock, lanes.lanes)
    bus.tap(twins.update)
    session = str(ULID())
    commands = CommandRoad(
        Surroundings(registry, lanes, twins, state, journal, bus.publish, memory.alarms, clock, own.compat, session)
    )
    twins.listeners.append(commands.desired.device_changed)
    clouds = []
    if settings.cloud.mqtt is not None:
        identity = Identity(own.name, version("southgate"), session, event_id)
        clouds.append(MqttCloud(settings.cloud.mqtt, identity, twins, commands, state, clock))
    twins.listeners.extend(cloud.state_changed for cloud in clouds)
    forwarders = [_forwarder(memory, cloud, clock) for cloud in clouds]
    exporters = ExportRoom(own.name, journal, memory.letters, registry, clock)
    forwards = exporters.open(settings.exporters, forwarders)
    kept_for = [memory.history.consumer] if memory.history is not None else []
    journal.forget_all_but([*kept_for, *(one.name for one in forwards.report())])
    keep_rules = None
    if memory.history is not None:
        from datastore.history.rules import KeepRules

        keep_rules = KeepRules(state, settings.keep_rules())
        keep_rules.decide_for(memory.history, lambda: registry.planned)
    told, planned = remembering(protocols, bus.publish), lambda: registry.planned
    analysed = Analysed(told, clock, memory.alarms, planned, registry.make, state, own.file, own.data)
    rules = RuleRoom(analysed, bus.tap)
    return House(
        settings=settings,
        clock=clock,
        memory=memory,
        protocols=protocols,
        lanes=lanes,
        registry=registry,
        twins=twins,
        commands=commands,
        lag=LoopLag(clock),
        watch=ClockWatch(clock, memory.alarms),
        forwarders=forwards,
        exporters=exporters,
        exports=Exports(Given(journal, forwards, memory.letters, state, memory.remembers), clock),
        clouds=clouds,
        rules=rules,
        rereading=Rereading(own.file, registry, rules, exporters, keep_rules),
        keep_rules=keep_rules,
    )


def _forwarder(memory: Memory, cloud: MqttCloud, clock: SystemClock) -> Forwarder:
    forwarder = Forwarder(memory.journal, cloud, clock, cloud.name)
    forwarder.remember(memory.letters)
    return forwarder


@asynccontextmanager
async def _closing(listeners: list[Listener]) -> AsyncIterator[None]:
    """No port stays open when the start fails half way."""
    try:
        yield
    finally:
        for listener in listeners:
            listener.socket.close()
