"""A profile of 100,000 resources."""

import time

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
