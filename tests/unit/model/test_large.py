"""A profile of 100,000 resources."""

import time

import pytest

from gateway.model.errors import ConfigError
from gateway.model.load import load_profile

RESOURCE = """\
  - name: R{0}
    description: Value {0}
    attributes: {{primaryTable: HOLDING_REGISTERS, startingAddress: {0}}}
    properties: {{valueType: Uint16, readWrite: RW, units: V, minimum: 0, maximum: 1000, scale: 0.1, defaultValue: "0"}}
"""


def test_it_loads_within_seconds() -> None:
    text = "name: large\ndeviceResources:\n" + "".join(RESOURCE.format(number) for number in range(100_000))
    started = time.process_time()
    profile = load_profile(text, "large.yaml").value
    spent = time.process_time() - started
    assert len(profile.device_resources) == 100_000
    assert profile.device_resources[-1].attributes == {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 99_999}
    assert spent < 20, f"{spent:.1f} s of CPU"  # 4 to 5 s on the machine it was written on


def refused(text: str) -> list[str]:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_profile(text, "large.yaml")
    assert time.process_time() - started < 20
    return [str(problem) for problem in caught.value.problems]


def test_a_file_with_endless_problems_is_refused_within_seconds_too() -> None:
    wrong = "name: large\ndeviceResources:\n" + "- {name: a, propertis: {}}\n" * 20_000
    said = refused(wrong)
    assert len(said) == 1001
    assert said[0].startswith("large.yaml:3: warning: deviceResources[0].propertis: unknown key")
    assert said[1].startswith("large.yaml:3: deviceResources[0].properties: is required")
    assert said[-1] == "large.yaml: and 58999 more problems"


def test_a_file_with_endless_duplicates_is_refused_within_seconds_too() -> None:
    keys = "".join(f"k{number}: x\n" for number in range(30_000))
    assert refused(keys + keys)[-1] == "large.yaml:30500: too many problems; the rest of the file was not read"


def test_wrong_names_of_many_resources_are_refused_within_seconds_too() -> None:
    text = "name: large\ndeviceResources:\n" + "".join(RESOURCE.format(number) for number in range(3_000))
    text += "deviceCommands:\n" + "".join(
        f"- {{name: C{number}, readWrite: R, resourceOperations: [{{deviceResource: X{number}}}]}}\n"
        for number in range(3_000)
    )
    assert len(refused(text)) == 501
