"""`southgate rules`: what is worked out of readings, and what came of it."""

import argparse
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate rules                     every rule: what it reads, its state, what it raised
  southgate rules overload            one rule: everything it watches
  southgate rules --json | jq '.[] | select(.state == "idle") | {name, why}'"""
HEAD = ["RULE", "KIND", "FROM", "STATE", "WATCHES", "RAISED", "ERRORS", "WHY"]
OF_MODEL = ["MODEL", "STATE", "INFERENCES", "HARD SAMPLES", "UPLOADED", "UPLOAD RATIO", "SKIPPED", "WHY"]
OF_ONE = ["WATCHES", "VALUE", "RAISED", "READINGS", "ERRORS", "LAST ERROR"]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="?", default="", help="only this one, with all that it watches")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when every rule shown has something to watch, else 1."""
    found = Remote(options).get("/gateway/api/v1/rules")["rules"]
    shown = [one for one in found if not options.rule or one["name"] == options.rule]
    if options.rule and not shown:
        there = ", ".join(one["name"] for one in found) or "none"
        raise ConfigError(f"there is no rule {options.rule}; there are: {there}")
    output.result(shown)
    if not shown:
        output.line("no rules: they are in gateway.yaml, or made over REST")
        return 0
    output.table(HEAD, [_row(one) for one in shown])
    if options.rule:
        output.line()
        output.table(OF_ONE, [_watched(one) for one in shown[0]["watching"]])
        models = [_model(one) for one in shown[0]["watching"] if "model" in one]
        if models:
            output.line()
            output.table(OF_MODEL, models)
    return 1 if any(one["state"] in ("idle", "refused") for one in shown) else 0


def _row(one: dict[str, Any]) -> list[Any]:
    rule = one["rule"]
    kind = rule.get("kind", "-") if isinstance(rule, dict) else "-"
    return [
        one["name"],
        kind,
        one["from"],
        one["state"],
        one["watched"],
        one["raised"],
        one["errors"],
        one["why"] or "-",
    ]


def _model(one: dict[str, Any]) -> list[Any]:
    model = one["model"]
    counts = [one[name] for name in ("inferences", "hard_samples", "uploaded")]
    ratio = f"{one['upload_ratio']:.2%}"
    return [model["version"] or "-", model["state"], *counts, ratio, one["skipped"], model["why"] or "-"]


def _watched(one: dict[str, Any]) -> list[Any]:
    value = one["value"]
    shown = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else value
    raised = "yes" if one["raised"] else "no"
    return [one["subject"], shown, raised, one["readings"], one["errors"], one["last_error"] or "-"]
