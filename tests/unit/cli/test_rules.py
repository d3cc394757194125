"""`southgate rules` and `southgate alarms`: what a person reads, and what the exit code says."""

from typing import Any

from tests.unit.cli.conftest import Gateway, Run

RULES, ALARMS = "/gateway/api/v1/rules", "/gateway/api/v1/alarms"
WATCHED = {
    "subject": "m/u",
    "value": 91.25,
    "raised": True,
    "readings": 7,
    "errors": 1,
    "last_error": "no number",
}
RULE: dict[str, Any] = {
    "name": "hot", "from": "gateway.yaml", "rule": {"kind": "threshold"}, "state": "raised", "why": "", "watched": 1,
    "raised": 1, "errors": 1, "watching": [WATCHED],
}  # fmt: skip
IDLE = RULE | {"name": "lost", "state": "idle", "why": "there is no device x", "watching": [], "rule": "broken"}
ALARM = {
    "id": "hot-1", "name": "hot", "device": "m", "resource": "u", "severity": "critical",
    "since": 1_763_635_200 * 10**9,
    "value": 91.25, "why": "m/u is 91.25, above 90", "acknowledged": 0, "by": "", "comment": "",
}  # fmt: skip


def test_rules_and_why_one_does_nothing(southgate: Run, gateway: Gateway) -> None:
    gateway.says(RULES, {"rules": [RULE]})
    ran = southgate("rules", "--url", gateway.url)
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == ["hot", "threshold", "gateway.yaml", "raised", "1", "1", "1", "-"]
    gateway.says(RULES, {"rules": [RULE, IDLE]})
    ran = southgate("rules", "--url", gateway.url)
    assert (ran.code, "there is no device x" in ran.out) == (1, True)


def test_one_rule_shows_what_it_watches(southgate: Run, gateway: Gateway) -> None:
    gateway.says(RULES, {"rules": [RULE, IDLE]})
    ran = southgate("rules", "hot", "--url", gateway.url)
    assert ran.out.splitlines()[-1].split()[:5] == ["m/u", "91.25", "yes", "7", "1"]
    ran = southgate("rules", "nosuch", "--url", gateway.url)
    assert (ran.code, "there are: hot, lost" in ran.err) == (2, True)


def test_one_with_a_model_shows_what_it_is_and_what_became_of_its_samples(southgate: Run, gateway: Gateway) -> None:
    model = {"state": "rolled back", "version": "7", "why": "two.onnx is no model"}
    counts = {"inferences": 400, "hard_samples": 9, "uploaded": 6, "upload_ratio": 0.015, "skipped": 3}
    gateway.says(RULES, {"rules": [RULE | {"watching": [WATCHED | counts | {"model": model}]}]})
    last = southgate("rules", "hot", "--url", gateway.url).out.splitlines()[-1]
    assert last.split() == ["7", "rolled", "back", "400", "9", "6", "1.50%", "3", "two.onnx", "is", "no", "model"]


def test_no_rules(southgate: Run, gateway: Gateway) -> None:
    gateway.says(RULES, {"rules": []})
    assert southgate("rules", "--url", gateway.url).code == 0


def test_alarms_and_whether_somebody_has_seen_them(southgate: Run, gateway: Gateway) -> None:
    gateway.says(ALARMS, {"alarms": []})
    assert southgate("alarms", "--url", gateway.url).code == 0
    gateway.says(ALARMS, {"alarms": [ALARM]})
    ran = southgate("alarms", "--url", gateway.url)
    assert ran.code == 1
    assert "m/u is 91.25, above 90" in ran.out
    assert "2025-11-20 10:40:00Z" in ran.out
    gateway.says(ALARMS, {"alarms": [ALARM | {"acknowledged": 5, "by": "anna", "comment": "on my way"}]})
    assert "anna: on my way" in southgate("alarms", "--url", gateway.url).out
    gateway.says(ALARMS, {"alarms": [ALARM | {"acknowledged": 5, "device": "", "resource": ""}]})
    ran = southgate("alarms", "--url", gateway.url)
    assert (ran.code, "the gateway" in ran.out, "somebody" in ran.out) == (0, True, True)


def test_ack_needs_an_id(southgate: Run, gateway: Gateway) -> None:
    ran = southgate("alarms", "ack", "--url", gateway.url)
    assert (ran.code, "needs the id" in ran.err) == (2, True)


def test_all_are_acknowledged_at_once(southgate: Run, gateway: Gateway) -> None:
    gateway.says(ALARMS, {"alarms": [ALARM]})
    gateway.says(f"{ALARMS}/hot-1/acknowledge", ALARM | {"acknowledged": 5, "by": "anna"})
    ran = southgate("alarms", "ack", "all", "--url", gateway.url)
    assert (ran.code, "hot-1 was seen by anna" in ran.out) == (0, True)
