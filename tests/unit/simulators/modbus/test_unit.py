"""A simulated device's answers, PDU for PDU."""

import struct

import pytest

from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from mappers.modbus.codec import decoder
from mappers.modbus.point import locate
from simulators.behaviour import ramp
from simulators.modbus.faults import fault
from simulators.modbus.unit import Unit
from tests.support.clock import MovingClock
from tests.unit.simulators.profiles import COIL, HOLDING, INPUT, pdu, profile, resource


def machine() -> DeviceProfile:
    return profile(
        resource("Level", INPUT + "10", "valueType: Uint16, readWrite: R"),
        resource("Flow", INPUT + "12, byteOrder: CDAB", "valueType: Float32, readWrite: R"),
        resource("Far", INPUT + "500", "valueType: Uint16, readWrite: R"),
        resource(
            "Setpoint",
            HOLDING + "0, rawType: Int16",
            "valueType: Float32, readWrite: RW, scale: 0.1, minimum: -10, maximum: 50",
        ),
        resource("Text", HOLDING + "1, stringRegisterSize: 2", "valueType: String, readWrite: RW"),
        resource("Serial", HOLDING + "3", "valueType: Uint16, readWrite: R"),
        resource("Only16", HOLDING + "4, writeFunction: 16", "valueType: Uint16, readWrite: RW"),
        resource("Word", HOLDING + "5", "valueType: Uint16, readWrite: RW"),
        resource("Bit3", HOLDING + '"5.3"', "valueType: Bool, readWrite: RW"),
        resource("Relay", HOLDING + "6", "valueType: Bool, readWrite: R"),
        resource("RelayCommand", HOLDING + "6", "valueType: Uint16, readWrite: W"),
        resource("Pump", COIL + "0", "valueType: Bool, readWrite: RW"),
        resource("Fan", COIL + "2", "valueType: Bool, readWrite: RW"),
    )


@pytest.fixture
def unit(clock: MovingClock) -> Unit:
    made = Unit(machine(), clock)
    made.set("Level", 0x1234)
    made.set("Flow", 1.0)
    made.set("Text", "OK")
    made.set("Serial", 7)
    return made


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("04 000a 0004", "04 08 1234 0000 00003f80"),  # the gap at 11 reads as zero
        ("03 0001 0002", "03 04 4f4b 0000"),
        ("01 0000 0003", "01 01 00"),
        ("06 0000 00fa", "06 0000 00fa"),
        ("10 0000 0001 02 00fa", "10 0000 0001"),
        ("05 0002 ff00", "05 0002 ff00"),
        ("06 0006 0100", "06 0006 0100"),  # a state to read, a command to write
        ("0f 0000 0003 01 05", "0f 0000 0003"),
        ("16 0005 0000 00f0", "16 0005 0000 00f0"),
        ("17 0003 0001 0005 0001 02 beef", "17 02 0007"),
    ],
)
def test_it_answers(unit: Unit, request_: str, answer: str) -> None:
    assert unit.answer(pdu(request_)) == pdu(answer)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("04 0009 0001", 2),  # before the first
        ("04 000d 0002", 2),  # past a block's end
        ("04 0064 0001", 2),  # in a wide gap
        ("02 0000 0001", 2),  # a table without resources
        ("03 0000 0000", 3),
        ("03 0000 007e", 3),  # 126 registers
        ("01 0000 07d1", 3),  # 2001 bits
        ("03 0000", 3),  # cut off
        ("06 0003 0001", 2),  # read-only resource
        ("06 0004 0001", 1),  # this one wants function 16
        ("06 0000 01f5", 3),  # 50.1 is above 50
        ("06 0000 ff9b", 3),  # -10.1 is below -10
        ("10 0000 0001 04 00fa", 3),  # byte count lies
        ("05 0000 1234", 3),  # neither on nor off
        ("14 06", 1),  # no such function
        ("2b 0d 01 00", 1),  # of function 43, only identification
    ],
)
def test_it_refuses(unit: Unit, request_: str, code: int) -> None:
    request = pdu(request_)
    assert unit.answer(request) == bytes((request[0] | 0x80, code))


def test_a_refused_write_changes_nothing(unit: Unit) -> None:
    before = bytes(unit.images[unit.points["Setpoint"].table].data)
    assert unit.answer(pdu("10 0000 0004 08 01f5 4142 4344 0009"))[0] == 0x90
    assert unit.images[unit.points["Setpoint"].table].data == before


def test_what_is_written_stays_and_is_seen_as_people_see_it(unit: Unit) -> None:
    unit.answer(pdu("06 0000 00fa"))
    assert unit.get("Setpoint") == pytest.approx(25.0)
    assert unit.get("Setpoint", raw=True) == 250
    unit.answer(pdu("10 0001 0002 04 48490000"))
    assert unit.get("Text") == "HI"


def test_a_bit_and_its_register_are_one_thing(unit: Unit) -> None:
    unit.set("Word", 0x00F0)
    unit.set("Bit3", True)
    assert unit.get("Word") == 0x00F8
    unit.answer(pdu("16 0005 ffef 0000"))
    assert unit.get("Word") == 0x00E8
    unit.set("Bit3", False)
    assert unit.get("Word") == 0x00E0


def test_strict_refuses_gaps(clock: MovingClock) -> None:
    unit = Unit(machine(), clock, strict=True)
    assert unit.answer(pdu("04 000a 0004")) == pdu("84 02")
    assert unit.answer(pdu("03 0000 0006"))[0] == 3, "resources that touch are no gap"


def test_nothing_reads_across_a_barrier(clock: MovingClock) -> None:
    unit = Unit(
        profile(
            resource("A", INPUT + "0", "valueType: Uint16, readWrite: R"),
            resource("B", INPUT + "1, barrier: true", "valueType: Uint16, readWrite: R"),
        ),
        clock,
    )
    assert unit.answer(pdu("04 0000 0002")) == pdu("84 02")
    assert unit.answer(pdu("04 0001 0001"))[0] == 4


def test_values_move_with_the_clock_and_not_without_it(clock: MovingClock) -> None:
    unit = Unit(machine(), clock, {"Level": ramp(0, 100, 10)}, period=0.5)
    assert unit.get("Level") == 0
    clock._monotonic += 0.4
    assert unit.get("Level") == 0, "worked out at most every period"
    clock._monotonic += 4.6
    assert unit.get("Level") == 50


def test_a_set_value_ends_its_behaviour_and_a_new_one_starts_it_again(clock: MovingClock) -> None:
    unit = Unit(machine(), clock, {"Level": ramp(0, 100, 10)}, period=0)
    unit.set("Level", 7)
    clock._monotonic += 5
    assert unit.get("Level") == 7
    unit.behave("Level", ramp(0, 10, 10))
    assert unit.get("Level") == 5


def test_behaviours_are_held_within_what_the_wire_can_carry(clock: MovingClock) -> None:
    unit = Unit(machine(), clock, {"Level": ramp(70000, 80000, 10)})
    assert unit.get("Level") == 65535


def test_a_hole_refuses_with_exception_2_and_spares_its_neighbours(unit: Unit) -> None:
    holes = fault("hole=input:12-13").holes
    assert unit.answer(pdu("04 000a 0004"), holes) == pdu("84 02")
    assert unit.answer(pdu("04 000a 0001"), holes) == pdu("04 02 1234")
    assert unit.answer(pdu("03 000c 0001"), holes) == pdu("83 02"), "not there for another reason"
    assert unit.answer(pdu("04 000a 0004"))[0] == 4, "only the requests that meet them"


def test_unknown_resources_are_named(unit: Unit) -> None:
    with pytest.raises(ConfigError, match="no resource 'Levle'; it has Level"):
        unit.set("Levle", 1)
    with pytest.raises(ConfigError, match="no resource"):
        Unit(machine(), MovingClock(), {"Nope": ramp(0, 1, 1)})


def test_a_value_that_does_not_fit_is_refused(unit: Unit) -> None:
    with pytest.raises(ValueError, match="fit"):
        unit.set("Level", 70000)


def test_a_profile_of_another_protocol_is_told(clock: MovingClock) -> None:
    with pytest.raises(ConfigError, match=r"Test cannot be simulated: X: .*primaryTable"):
        Unit(profile(resource("X", 'nodeId: "ns=2;i=3"', "valueType: Int32, readWrite: R")), clock)


TRANSFORMS = [
    ("scale: 0.1, offset: -40", 21.5, 615),
    ("mask: 0x0F00, shift: 8", 11, 0x0B00),
    ("base: 2", 8, 3),
    ("offset: 273", 300, 27),
]


@pytest.mark.parametrize(("transform", "people", "wire"), TRANSFORMS)
def test_the_transform_backwards(clock: MovingClock, transform: str, people: float, wire: int) -> None:
    kind = "Float64" if "." in transform else "Uint16"
    raw = ", rawType: Uint16" if kind == "Float64" else ""
    unit = Unit(profile(resource("X", INPUT + "0" + raw, f"valueType: {kind}, readWrite: R, {transform}")), clock)
    unit.set("X", people)
    assert unit.answer(pdu("04 0000 0001")) == b"\x04\x02" + wire.to_bytes(2, "big")
    assert unit.get("X") == pytest.approx(people)


ARRAYS = [
    (INPUT + "0, arrayLength: 2, byteOrder: CDAB", "Uint32Array", [1, 2], "0001 0000 0002 0000"),
    (INPUT + "0, arrayLength: 3", "Int8Array", [-1, 2, 3], "ff02 0300"),
    (INPUT + "0, arrayLength: 17", "BoolArray", [True] + 15 * [False] + [True], "0001 0001"),
]


@pytest.mark.parametrize(("attributes", "kind", "values", "wire"), ARRAYS)
def test_arrays(clock: MovingClock, attributes: str, kind: str, values: list[int], wire: str) -> None:
    unit = Unit(profile(resource("X", attributes, f"valueType: {kind}, readWrite: R")), clock)
    unit.set("X", values)
    assert unit.answer(pdu(f"04 0000 {len(pdu(wire)) // 2:04x}"))[2:] == pdu(wire)
    assert unit.get("X") == values
    with pytest.raises(ValueError, match="list of"):
        unit.set("X", values[1:])


def test_bits_of_a_register_with_swapped_bytes(clock: MovingClock) -> None:
    unit = Unit(
        profile(
            resource("Bit", INPUT + '"0.3", byteOrder: BADC', "valueType: Bool, readWrite: R"),
            resource("Bits", INPUT + "1, arrayLength: 4, byteOrder: BADC", "valueType: BoolArray, readWrite: R"),
        ),
        clock,
    )
    unit.set("Bit", True)
    unit.set("Bits", [True, False, False, True])
    assert unit.answer(pdu("04 0000 0002")) == pdu("04 04 0800 0900")
    assert unit.get("Bit") is True
    assert unit.get("Bits") == [True, False, False, True]


def test_an_array_of_coils(clock: MovingClock) -> None:
    unit = Unit(profile(resource("X", COIL + "8, arrayLength: 10", "valueType: BoolArray, readWrite: RW")), clock)
    unit.answer(pdu("0f 0008 000a 02 8102"))
    assert unit.get("X") == [True, False, False, False, False, False, False, True, False, True]
    assert unit.answer(pdu("01 0008 000a")) == pdu("01 02 8102")


@pytest.mark.parametrize(
    ("attributes", "properties", "value"),
    [
        ("rawType: BCD, arrayLength: 2", "valueType: Uint16Array", [1234, 5678]),
        ("rawType: BCD, arrayLength: 2", "valueType: Uint32Array", [12345678, 87654321]),
        ("rawType: BCD", "valueType: Uint32", 12345678),
        ("arrayLength: 32", "valueType: BoolArray", [True] + 31 * [False]),
        ("stringRegisterSize: 2", "valueType: String", "ABC"),
    ],
)
@pytest.mark.parametrize("swap", ["isByteSwap: true", "isWordSwap: true", "isByteSwap: true, isWordSwap: true"])
def test_edgex_swaps_mean_what_they_mean_to_the_gateway(
    attributes: str, properties: str, value: object, swap: str, clock: MovingClock
) -> None:
    made = profile(resource("X", f"{HOLDING}0, {attributes}, {swap}", f"{properties}, readWrite: RW"))
    unit, (found,) = Unit(made, clock), made.device_resources
    unit.set("X", value)
    point, problems = locate(found, made.compat)
    assert point is not None, problems
    read = unit.answer(struct.pack(">BHH", 3, 0, point.size))
    assert decoder(0, (point,))(read[2:])[0] == [value]
