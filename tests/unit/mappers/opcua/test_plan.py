"""Plans: each node once, whoever wants it; what people are shown of them."""

import subprocess
import sys

import pytest

from gateway.model.abilities import Tells
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from mappers import Switchboard
from mappers.opcua.plan import plan
from tests.unit.mappers.opcua.build import device, resource, source


def test_a_node_is_asked_once_and_everybody_gets_it() -> None:
    a, b = resource("a", nodeId="ns=2;i=1"), resource("b", nodeId="ns=2;i=2")
    same, path = resource("same", "Float64", nodeId="ns=2;i=1"), resource("path", browsePath="/2:a")
    made = plan(device(), [source(b, a), source(same, path, b)])
    assert [str(at) if hasattr(at, "kind") else len(at) for at in made.nodes] == ["ns=2;i=2", "ns=2;i=1", 1]
    assert made.picks == ((0, 1), (1, 2, 0))
    assert [point.name for point in made.flat] == ["b", "a", "same", "path", "b"]


def test_what_is_not_read_from_a_node_is_not_asked() -> None:
    written = resource("w", "Int32", "W")
    method = resource("m", "Int32", "R", methodId="ns=2;i=5", objectId="ns=2;i=4")
    made = plan(device(), [source(written, resource("r"), method)])
    assert made.picks == ((-1, 0, -1),)
    assert [request.text for request in made.requests] == ["Read 1 node", "Call ns=2;i=5"]


def test_the_device_says_how_many_nodes_go_into_one_request() -> None:
    many = source(*(resource(f"r{i}", "Float64", nodeId=f"ns=2;i={i}") for i in range(25)))
    assert [request.text for request in plan(device(), [many]).requests] == ["Read 25 nodes"]
    texts = [request.text for request in plan(device(MaxNodes=10), [many]).requests]
    assert texts == ["Read 10 nodes", "Read 10 nodes", "Read 5 nodes"]


def test_bytes_are_estimated_by_what_is_asked() -> None:
    few, more = (plan(device(), [source(*_numbers(count))]).requests[0] for count in (1, 2))
    assert more.sent - few.sent == 14 + 4, "attribute, range, encoding, and a numeric id"
    assert more.received - few.received == 14 + 8
    named = plan(device(), [source(resource("r", nodeId="ns=2;s=Speed"))]).requests[0]
    assert named.sent - few.sent == 7 + 5 - 4
    assert named.pdu == b""


def _numbers(count: int) -> list[object]:
    return [resource(f"r{i}", "Float64", nodeId=f"ns=2;i={i}") for i in range(count)]


def test_everything_wrong_is_said_at_once() -> None:
    broken = [resource("a", nodeId="x"), resource("b", nodeId="ns=2;i=-1")]
    with pytest.raises(ConfigError) as error:
        plan(device(), [source(*broken), source(broken[0])])
    assert [problem.where for problem in error.value.problems] == ["a.attributes.nodeId", "b.attributes.nodeId"]


def test_all_devices_of_a_server_go_silent_together() -> None:
    assert plan(device(), [source(resource())]).unit == plan(device(), [source(resource("other"))]).unit


def test_what_is_told_and_what_is_read() -> None:
    method = resource("m", "Int32", "R", methodId="ns=2;i=5", objectId="ns=2;i=4")
    called = resource("c", "Int32", "W", methodId="ns=2;i=5", objectId="ns=2;i=4")
    read, told, mixed = (
        source(resource("r", nodeId="ns=2;i=1", subscribe=False)),
        source(resource(), called),
        source(resource(), method),
    )
    made = plan(device(), [read, told, mixed])
    assert isinstance(made, Tells)
    assert made.told == (told,)
    assert plan(device(Subscribe=False), [told]).told == ()


def test_events_that_nobody_would_be_told_are_a_warning() -> None:
    """A source is read or told as a whole."""
    alarms = resource("alarms", "Object", nodeId="i=2253", eventType="i=2915")
    still = resource("still", nodeId="ns=2;i=1", subscribe=False)
    called = resource("m", "Int32", "R", methodId="ns=2;i=5", objectId="ns=2;i=4")
    written = resource("w", "Bool", "W", methodId="ns=2;i=5", objectId="ns=2;i=4")
    mixtures = {"told": (alarms, "r", "w"), "polled": ("r", alarms, "still"), "calling": (alarms, "m")}
    profile = DeviceProfile.model_validate(
        {
            "name": "p",
            "deviceResources": [alarms, still, called, written, resource()],
            "deviceCommands": [
                {
                    "name": name,
                    "readWrite": "R",
                    "resourceOperations": [{"deviceResource": getattr(one, "name", one)} for one in members],
                }
                for name, members in mixtures.items()
            ],
        }
    )
    protocol = Switchboard().by_service("device-opcua")
    said = [str(problem) for problem in protocol.check(profile)]
    assert said == [
        "warning: deviceCommands[1]: alarms is told, still is read, and so is all of a command with it: "
        "take alarms out; it is a source itself",
        "warning: deviceCommands[2]: alarms is told, m is read, and so is all of a command with it: "
        "take alarms out; it is a source itself",
    ]
    (last,) = protocol.check(profile, device(Subscribe=False))[2:]
    assert str(last) == (
        "warning: protocols.opcua.Subscribe: alarms: events cannot be read; leave this out, and give what is to be "
        "read subscribe: false"
    )


def test_planning_and_checking_load_no_library() -> None:
    program = (
        "import sys, mappers\n"
        "from tests.unit.mappers.opcua.build import device, resource, source\n"
        "protocol = mappers.Switchboard().by_service('device-opcua')\n"
        "assert protocol.plan(device(), [source(resource())], {}).requests\n"
        "assert not {m.split('.')[0] for m in sys.modules} & {'asyncua', 'cryptography'}, 'loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
