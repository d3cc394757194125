import time

import pytest

from gateway.runtime import clock as clocks
from gateway.runtime.clock import SystemClock, backoff


class Machine:
    """Stands in for the machine's two clocks."""

    def __init__(self) -> None:
        self.wall, self.up = 1_763_635_200_000_000_000, 5_000_000_000

    def pass_(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)
        self.up += int(seconds * 1e9)

    def time_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.up

    def monotonic(self) -> float:
        return self.up / 1e9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(clocks, "time", found)
    return found


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_step_makes_wall_time_untrusted_for_a_while(machine: Machine, step: int) -> None:
    clock = SystemClock()
    machine.pass_(100)
    assert clock.trusted()
    machine.wall += step * 10**9
    before = clock.monotonic()
    assert not clock.trusted()
    assert clock.monotonic() == before
    assert clock.steps == 1
    machine.pass_(9)
    assert not clock.trusted()
    machine.pass_(2)
    assert clock.trusted()


def test_1970_is_not_trusted_until_it_is_set(machine: Machine) -> None:
    machine.wall = 60 * 10**9
    clock = SystemClock()
    machine.pass_(1000)
    assert not clock.trusted()
    machine.wall = 1_763_635_200_000_000_000
    assert not clock.trusted()
    machine.pass_(11)
    assert clock.trusted()


def test_slewing_is_no_step(machine: Machine) -> None:
    clock = SystemClock()
    for _ in range(100):
        machine.pass_(1)
        machine.wall += 500_000_000
        assert clock.trusted()
    assert clock.steps == 0


async def test_the_real_clock_sleeps_and_times_out() -> None:
    clock = SystemClock()
    before = time.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
    with pytest.raises(TimeoutError):
        async with clock.timeout(0.01):
            await clock.sleep(10)
    assert abs(clock.now() - time.time_ns()) < 5e9


def test_back_off_doubles_to_the_longest_with_jitter() -> None:
    for attempt, full in ((1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (1000, 30.0)):
        waits = [backoff(attempt, 0.5, 30.0) for _ in range(200)]
        assert full / 2 <= min(waits) < max(waits) <= full
        assert max(waits) - min(waits) > full / 4
