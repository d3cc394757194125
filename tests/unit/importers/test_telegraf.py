"""Telegraf's inputs.modbus, in its three styles."""

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from tests.unit.importers.helpers import carry, lefts, resources, runs

REGISTER = """
[agent]
  interval = "5s"
[[inputs.modbus]]
  name = "Meter"
  slave_id = 3
  timeout = "1s"
  controller = "tcp://127.0.0.1:1502"
  discrete_inputs = [ { name = "start", address = [0]} ]
  coils = [ { name = "run", address = [0]} ]
  holding_registers = [
    { name = "factor", byte_order = "AB",   data_type = "FIXED", scale=0.01,  address = [8]},
    { name = "energy", byte_order = "CDAB", data_type = "UFIXED", scale=0.001, address = [5,6]},
    { name = "float", byte_order = "ABCD", data_type = "FLOAT32-IEEE", scale=1.0, address = [15,16]},
    { name = "old", byte_order = "ABCD", data_type = "FLOAT32", scale=0.1, address = [17,18]},
    { name = "high", byte_order = "AB", data_type = "UINT8H", scale=1.0, address = [19]},
    { name = "turned", byte_order = "BA", data_type = "INT16", scale=1.0, address = [20]},
    { name = "long", byte_order = "GHEFCDAB", data_type = "INT64", scale=1.0, address = [21,22,23,24]},
  ]
"""
REQUEST = """
[[inputs.modbus]]
  name = "Gate"
  controller = "file:///dev/ttyUSB0"
  baud_rate = 19200
  parity = "E"
  configuration_type = "request"
  interval = "2s"
  [[inputs.modbus.request]]
    slave_id = 1
    register = "coil"
    measurement = "m"
    fields = [ { address=0, name="run"}, { address=2, name="stop", omit=true} ]
    [inputs.modbus.request.tags]
      machine = "press"
  [[inputs.modbus.request]]
    slave_id = 1
    byte_order = "DCBA"
    fields = [
      { address=0, name="voltage", type="INT16", scale=0.1 },
      { address=5, name="power", type="FLOAT32" },
      { address=19, name="bit", type="BIT", bit=3 },
      { address=30, name="text", type="STRING", length=8 },
    ]
  [[inputs.modbus.request]]
    slave_id = 2
    fields = [ { address=0, name="rpm", type="INT16" } ]
  [inputs.modbus.workarounds]
    pause_after_connect = "100ms"
"""


def test_the_register_style(tmp_path: Path) -> None:
    found = carry("telegraf", REGISTER)
    assert lefts(found) == []
    values = resources(found)
    assert values["factor"]["rawType"] == "Int16"
    assert (values["energy"]["rawType"], values["energy"]["byteOrder"]) == ("Uint32", "CDAB")
    assert values["float"]["valueType"] == "Float32"
    assert values["old"]["rawType"] == "Uint32"
    assert (values["high"]["valueType"], values["high"]["byteOrder"]) == ("Uint8", "BADC")
    assert values["turned"]["byteOrder"] == "BADC"
    assert (values["long"]["valueType"], values["long"]["byteOrder"]) == ("Int64", "CDAB")
    (device,) = found.devices
    assert device.protocols["modbus-tcp"]["Port"] == 1502
    assert device.protocols["modbus-tcp"]["UnitID"] == 3
    assert device.auto_events[0].interval == "5s"
    assert runs(found, tmp_path) == 3


def test_the_request_style_makes_a_device_of_every_slave(tmp_path: Path) -> None:
    found = carry("telegraf", REQUEST)
    assert lefts(found) == []
    assert [device.name for device in found.devices] == ["Gate-1", "Gate-2"]
    values = resources(found)
    assert "stop" not in values
    assert values["bit"]["startingAddress"] == "19.11"
    assert values["text"]["byteOrder"] == "BADC"
    assert values["power"]["byteOrder"] == "DCBA"
    assert found.profiles[0].device_resources[0].tags == {"machine": "press", "measurement": "m"}
    assert found.devices[0].protocols["modbus-rtu"]["BaudRate"] == 19200
    assert found.devices[0].protocols["modbus-rtu"]["ConnectDelay"] == "100ms"
    assert runs(found, tmp_path) >= 3


def test_units_alike_share_a_profile() -> None:
    one = '[[inputs.modbus]]\nname="m{n}"\ncontroller="tcp://h{n}:502"\nslave_id=1\n' \
          'holding_registers=[{{name="a",byte_order="AB",data_type="INT16",scale=1.0,address=[0]}}]\n'  # fmt: skip
    found = carry("telegraf", "".join(one.format(n=n) for n in range(3)))
    assert [profile.name for profile in found.profiles] == ["m0"]
    assert {device.profile_name for device in found.devices} == {"m0"}


def test_the_metric_style() -> None:
    text = """[[inputs.modbus]]
name="m"
controller="tcp://h:502"
configuration_type="metric"
[[inputs.modbus.metric]]
slave_id=4
fields=[{register="coil",address=0,name="door"},{address=1,name="v",type="INT32",scale=0.1,output="INT64"},
 {register="none",address=1,name="w",type="INT32"}]
"""
    found = carry("telegraf", text)
    assert resources(found)["door"]["primaryTable"] == "COILS"
    assert lefts(found) == ["0: inputs.modbus[0].metric[0].fields[2]: 'w': register 'none' is none of coil, discrete, "
                            "holding, input"]  # fmt: skip
    assert any("cuts the decimals" in note.what for note in found.report.notes())


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ('{name="a",byte_order="AB",data_type="INT16",scale=1.0,address=[0,2]}', "'a': address '[0, 2]'"),
        ('{name="a",byte_order="AB",data_type="INT16",scale=1.0,address=["x"]}', "'a': address"),
        ('{name="a",byte_order="AB",data_type="INT16",scale=1.0,address=[]}', "'a': address"),
        ('{name="a",byte_order="XY",data_type="INT16",scale=1.0,address=[0]}', "'a': byte order 'XY'"),
        ('{name="a",byte_order="AB",data_type="FLOAT16-IEEE",scale=1.0,address=[0]}', "'a': floats of 16 bits"),
        ('{name="a",byte_order="AB",data_type="INT32",scale=1.0,address=[0]}', "'a': INT32 takes 2 registers"),
        ('{name="",byte_order="AB",data_type="INT16",scale=1.0,address=[0]}', "'': it has no name"),
        ('{name="a",byte_order="AB",data_type="INT16",scale="x",address=[0]}', "'a': scale 'x'"),
        ('{name="a",byte_order="AB",data_type="INT16",scale=1.0,address=[0],foo=1}', "has no counterpart"),
        ('{name="a",byte_order="AB",data_type="INT16",scale=1.0,address=[70000]}', "a: attributes.startingAddress"),
    ],
)
def test_fields_that_cannot_be_carried_over(field: str, why: str) -> None:
    good = '{name="ok",byte_order="AB",data_type="INT16",scale=1.0,address=[9]}'
    head = '[[inputs.modbus]]\nname="m"\ncontroller="tcp://h:502"\nslave_id=1\n'
    (left,) = lefts(carry("telegraf", f"{head}holding_registers=[{good},{field}]\n"))
    assert "inputs.modbus[0].holding_registers[1]" in left
    assert why in left


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('controller="udp://h:502"', "neither tcp://host:port nor file"),
        ('controller="tcp://h:99999"', "controller: 'tcp://h:99999'"),
        ('controller="tcp://h:502"\ntransmission_mode="ASCIIoverTCP"', "ASCII over TCP"),
        ('controller="tcp://h:502"\nslave_id="x"', "UnitID"),
        ('controller="tcp://h:502"\ntimeout="soon"', "'soon' is no duration"),
        ('controller="tcp://h:502"\n[inputs.modbus.workarounds]\nread_coils_starting_at_zero=true', "no counterpart"),
    ],
)
def test_connections_that_cannot_be_carried_over(line: str, why: str) -> None:
    fields = 'coils=[{name="a",address=[0]}]\n'
    found = carry("telegraf", f'[[inputs.modbus]]\nname="m"\n{fields}{line}\n')
    assert any(why in left for left in lefts(found)), lefts(found)
    assert len(found.profiles) == 1


@pytest.mark.parametrize("text", ["", "a = ", "[inputs]\nmodbus = 3", "[[inputs.cpu]]\n", "x=" + "[" * 2000])
def test_another_file(text: str) -> None:
    with pytest.raises(ConfigError):
        carry("telegraf", text)


def test_where_toml_ends_is_said() -> None:
    with pytest.raises(ConfigError) as error:
        carry("telegraf", "a = 1\nb = $PORT\n")
    assert error.value.problems[0].line == 2
