"""A source of several polls: told once, and said by each of them at its own pace."""

from tests.support.clock import MovingClock
from tests.unit.runtime.scene import command_of, device_of, profile_of, values
from tests.unit.runtime.test_feed import telling


async def test_of_several_polls_of_a_source_the_fastest_hears_it(clock: MovingClock) -> None:
    scene, line = telling(clock)
    events = [{"sourceName": "A", "interval": every} for every in ("5s", "1s", "60s")]
    await scene.apply(device_of("D", autoEvents=events))
    async with scene.running():
        line.tell(1, A=5)
        assert values(scene.events()) == [0, 5]
        assert {flow.requested_s: flow.reads for flow in scene.lanes.flows()} == {1.0: 2, 5.0: 0, 60.0: 0}


async def test_the_slower_of_two_polls_of_a_source_is_told_at_its_own_pace_by_its_own_rule(clock: MovingClock) -> None:
    """The newest of what the faster heard meanwhile, also what the faster's rule kept to itself."""
    scene, line = telling(clock)
    profile = profile_of(valueType="Int16", scale=0.1)
    profile.device_commands.append(command_of("Both", "A", "B"))
    coarse = {"sourceName": "Both", "interval": "1s", "onChange": True, "onChangeThreshold": 1.0}
    fine = {"sourceName": "Both", "interval": "10s", "onChange": True}
    await scene.apply(device_of("D", autoEvents=[fine, coarse]), profile=profile)
    async with scene.running():
        await clock.advance(10)
        scene.journal.clear()
        for value in (1, 2, 30, 31):
            line.tell(1, A=value, time=value)
            await clock.advance(0.01)
        assert [event.values for event in scene.events()] == [[3.0]]
        await clock.advance(10)
        kept = [(event.which, event.values, event.times) for event in scene.events()]
        assert kept == [((0,), [3.0], {0: 30}), ((0,), [3.1], {0: 31})]
        assert scene.events()[-1].origin > scene.events()[0].origin
        await clock.advance(30)
        assert len(scene.events()) == 2
        fast, slow = sorted(scene.lanes.flows(), key=lambda flow: flow.requested_s)
        assert (fast.reads, slow.reads, slow.failures, slow.mode) == (5, 2, 0, "subscribed")
        assert slow.last_good == scene.events()[-1].origin


async def test_the_slower_of_two_polls_says_nothing_old_after_a_loss(clock: MovingClock) -> None:
    scene, line = telling(clock)
    events = [{"sourceName": "A", "interval": every} for every in ("1s", "10s")]
    await scene.apply(device_of("D", autoEvents=events))
    async with scene.running():
        await clock.advance(11)
        line.tell(1, A=5)
        line.up = False
        line.cut("the server hung up")
        await clock.advance(30)
        line.unit(1).values["A"] = 6
        line.up = True
        await clock.advance(45)
        told = [value for value in values(scene.events()) if value is not None]
        assert told == [0, 0, 5, 6, 6]
