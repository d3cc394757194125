"""From a rule's settings to what runs."""

from collections.abc import Mapping
from typing import Any

from datastore.analysis.around import Around, Input
from datastore.analysis.numbers import FormulaRule, RateRule, RollingRule, RolloverRule, ThresholdRule, ZScoreRule
from datastore.analysis.running import MissingRule, Running, StuckRule
from datastore.analysis.settings import AnyRule

_KINDS: Mapping[str, Any] = {
    "threshold": ThresholdRule,
    "rate": RateRule,
    "rolling": RollingRule,
    "zscore": ZScoreRule,
    "rollover": RolloverRule,
    "formula": FormulaRule,
    "stuck": StuckRule,
    "missing": MissingRule,
}


def running_rule(rule: AnyRule, inputs: Mapping[str, Input], around: Around) -> Running:
    """The rule on these inputs."""
    if rule.kind == "score":
        from datastore.analysis.scores import ScoreRule

        return ScoreRule(rule, inputs, around)
    made: Running = _KINDS[rule.kind](rule, inputs, around)
    return made
