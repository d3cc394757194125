"""Settings of our own through the same reader: any pydantic model."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.model.errors import ConfigError
from gateway.model.load import load_model


class Cloud(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    port: int = 1883
    tls: bool = False


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")
    data: Path = Path("data")
    cloud: Cloud | None = None
    clouds: dict[str, Cloud] = {}
    wait: float = 1.0


def test_scalars_become_what_the_field_wants() -> None:
    text = "data: d/\ncloud: {url: 007, port: 8883, tls: yes}\nclouds: {a: {url: x, port: ~}}\nwait: 2.5\n"
    loaded = load_model(Sample, text, "s.yaml").value
    assert loaded.data == Path("d")
    assert loaded.cloud == Cloud(url="007", port=8883, tls=True)
    assert loaded.clouds == {"a": Cloud(url="x")}
    assert loaded.wait == 2.5


@pytest.mark.parametrize("text", ["", "# nothing", "cloud:"])
def test_an_empty_file_is_all_defaults(text: str) -> None:
    assert load_model(Sample, text, "s.yaml").value == Sample()


def test_all_problems_with_their_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        load_model(Sample, "dta: x\ncloud:\n  url: u\n  port: many\n  prot: 5\nclouds:\n  a:\n    tls: 7\n", "s.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "s.yaml:1: dta: unknown key 'dta'; did you mean data?",
        "s.yaml:4: cloud.port: expected a whole number, got many",
        "s.yaml:5: cloud.prot: unknown key 'prot'; did you mean port?",
        "s.yaml:7: clouds.a.url: is required",
        "s.yaml:8: clouds.a.tls: expected true or false, got 7",
    ]
