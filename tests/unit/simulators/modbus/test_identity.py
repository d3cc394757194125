"""Simulated devices say who they are, and serve a SunSpec chain when their profile is one."""

from typing import Any

import pytest
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from gateway.model.load import profile_from_json
from gateway.model.profile import DeviceProfile
from gateway.runtime.clock import SystemClock
from mappers.modbus.discovery.identify import identify
from mappers.modbus.discovery.sunspec import walk
from simulators.library import find_profile
from simulators.modbus.identity import identity
from simulators.modbus.image import Refused
from simulators.modbus.unit import Unit
from tests.unit.mappers.modbus.talk import talk


def profile(**more: Any) -> DeviceProfile:
    return profile_from_json({"name": "p", "deviceResources": [], **more})


def test_pymodbus_reads_it() -> None:
    answer = ReadDeviceInformationResponse()
    answer.decode(identity(profile(manufacturer="Acme", model="X1"), bytes((43, 14, 1, 0)))[1:])
    assert answer.information == {0: b"Acme", 1: b"X1", 2: b"simulated"}


def test_a_long_description_goes_on_in_the_next_answer() -> None:
    told = profile(manufacturer="Acme" * 30, model="X1" * 30, description="A meter. " * 40)
    found, asked = talk(identify(), lambda request: identity(told, request))
    assert found is not None
    assert (found["vendor"], found["model"]) == ("Acme" * 30, "X1" * 30)
    assert found["productName"].startswith("A meter. A meter.")
    assert len(asked) > 2


@pytest.mark.parametrize(
    ("request_", "code"),
    [((43, 14, 4, 9), 2), ((43, 14, 5, 0), 3), ((43, 14, 1), 3), ((43, 13, 0, 0), 1), ((43,), 1)],
)
def test_it_refuses(request_: tuple[int, ...], code: int) -> None:
    with pytest.raises(Refused) as refused:
        identity(profile(manufacturer="Acme"), bytes(request_))
    assert refused.value.code == code


def test_one_object_alone() -> None:
    assert identity(profile(model="X1"), bytes((43, 14, 4, 1)))[7:] == b"\x01\x02X1"


def test_who_has_no_name_does_not_know_the_function() -> None:
    assert Unit(profile(), SystemClock()).answer(bytes((43, 14, 1, 0))) == b"\xab\x01"


def test_the_shipped_sunspec_inverter_serves_its_chain() -> None:
    unit = Unit(find_profile("fronius-symo-sunspec-113"), SystemClock())
    chain, _ = talk(walk(), unit.answer)
    assert chain is not None
    assert ([m.id for m in chain.models], chain.problems) == ([1, 113], ())
    assert (chain.common("Mn"), chain.common("Md")) == ("Fronius", "Symo")
