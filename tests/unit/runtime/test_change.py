from typing import Any

import pytest

from gateway.model.device import AutoEvent
from gateway.model.profile import DeviceResource
from gateway.model.reading import TIMEOUT, Event, Source
from gateway.runtime.lanes.change import change_of


def source(*optional: dict[str, Any]) -> Source:
    return Source(
        "s", "P", "D", "S",
        tuple(
            DeviceResource.model_validate(
                {"name": f"R{i}", "properties": {"valueType": "Float64", "readWrite": "R", "optional": one}}
            )
            for i, one in enumerate(optional)
        ),
    )  # fmt: skip


def rule(on_change: bool = True, threshold: float = 0.0) -> AutoEvent:
    return AutoEvent.model_validate(
        {"sourceName": "S", "interval": "1s", "onChange": on_change, "onChangeThreshold": threshold}
    )


def reported(made: Source, auto_event: AutoEvent, rows: list[Any]) -> list[list[tuple[list[Any], bool]]]:
    """What becomes of each row, one a second."""
    change = change_of(made, auto_event)
    assert change is not None
    found = []
    for second, row in enumerate(rows):
        event = row if isinstance(row, Event) else Event(made, second + 1, list(row))
        found.append([(one.values, one.repeat) for one in change.judge(event, float(second))])
    return found


def kept(made: Source, auto_event: AutoEvent, rows: list[Any]) -> list[int]:
    """Indexes of the rows that are reported."""
    judged = reported(made, auto_event, rows)
    return [i for i, events in enumerate(judged) if any(not repeat for _, repeat in events)]


@pytest.mark.parametrize(
    ("threshold", "rows", "wanted"),
    [
        (0.0, [[1], [1], [2], [2], [1]], [0, 2, 4]),
        (1.0, [[10], [11], [11.5], [10.5], [12.6]], [0, 2, 4]),
        (1.0, [[10], [10.4], [10.8], [11.2]], [0, 3]),
        (5.0, [["a"], ["a"], ["b"]], [0, 2]),
        (0.0, [[True], [True], [False]], [0, 2]),
        (1.0, [[True], [False]], [0, 1]),
        (0.5, [[[1, 2]], [[1, 2]], [[1, 3]]], [0, 2]),
    ],
)
def test_on_change(threshold: float, rows: list[Any], wanted: list[int]) -> None:
    assert kept(source({}), rule(threshold=threshold), rows) == wanted


def test_one_changed_value_reports_the_whole_event_and_a_repeat_is_marked() -> None:
    assert reported(source({}, {}), rule(), [[1, 2], [1, 3], [1, 3]]) == [
        [([1, 2], False)],
        [([1, 3], False)],
        [([1, 3], True)],
    ]


def test_a_change_of_quality_is_a_change() -> None:
    made = source({})
    bad = Event(made, 2, [None], quality={0: TIMEOUT})
    again = Event(made, 3, [None], quality={0: TIMEOUT})
    assert kept(made, rule(), [[1], bad, again, [1], [1]]) == [0, 1, 3]


def test_after_something_else_was_said_the_next_value_is_reported() -> None:
    made = source({})
    change = change_of(made, rule())
    assert change is not None
    assert not change.judge(Event(made, 1, [1]), 0)[0].repeat
    change.forget()
    assert not change.judge(Event(made, 2, [1]), 1)[0].repeat


def test_without_a_rule_everything_is_reported() -> None:
    assert change_of(source({}), rule(on_change=False)) is None


def test_at_most_every_and_at_least_every() -> None:
    made = source({"minInterval": "3s", "maxInterval": "5s"})
    assert kept(made, rule(), [[n] for n in range(9)]) == [0, 3, 6]
    assert kept(made, rule(), [[1]] * 12) == [0, 5, 10]
    assert kept(made, rule(on_change=False), [[1]] * 8) == [0, 3, 6]


def test_values_with_paces_of_their_own_part() -> None:
    made = source({"minInterval": "10s"}, {})
    assert reported(made, rule(on_change=False), [[1, 1], [2, 2]]) == [
        [([1, 1], False)],
        [([2], False), ([2], True)],
    ]


def test_events_with_some_values_are_compared_by_resource() -> None:
    made = source({}, {})
    rows = [Event(made, 1, [5], which=(1,)), Event(made, 2, [5], which=(1,)), Event(made, 3, [5], which=(0,))]
    assert kept(made, rule(), rows) == [0, 2]


def test_quality_is_compared_by_resource_as_well() -> None:
    made = source({}, {})

    def bad(origin: int) -> Event:
        return Event(made, origin, [None], which=(1,), quality={0: TIMEOUT})

    rows = [[1, 2], bad(2), bad(3), Event(made, 4, [None], which=(1,)), Event(made, 5, [1], which=(0,))]
    assert kept(made, rule(), rows) == [0, 1, 3]
