"""`southgate check`: reads and plans everything, connects to nothing."""

import argparse
from pathlib import Path

from gateway.cli.offline import Planned, plan_settings, settings_of
from gateway.cli.output import Output
from gateway.config import GatewaySettings, Settings, missing_extras, unreadable_secrets
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import PlannedDevice
from gateway.runtime.configuration.budget import budgets

EXAMPLES = """  southgate check                      gateway.yaml in this folder
  southgate check plant/gateway.yaml
  southgate check plant/ --strict      unknown keys are errors"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, default=Path("gateway.yaml"), help="gateway.yaml, or its folder")
    parser.add_argument("--strict", action="store_true", help="unknown keys are errors")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when all of it can run; 2 with every problem when not."""
    try:
        settings = settings_of(options.path)
        secrets = unreadable_secrets(settings) + missing_extras(settings)
        planned, problems = _planned(settings.gateway, options.strict, secrets)
        problems = secrets + problems + [p for budget in budgets(planned) for p in budget.problems()]
        problems += _rules(settings, planned) + _keep_rules(settings, planned)
    except ConfigError as error:
        output.problems(error.problems)
        output.result({"ok": False, "problems": [str(problem) for problem in error.problems]})
        return 2
    ok = not any(problem.severity == "error" for problem in problems)
    output.problems(problems)
    output.result({"ok": ok, "devices": [p.device.name for p in planned], "problems": [str(p) for p in problems]})
    polls = sum(len(device.polls) for device in planned)
    requests = sum(len(poll.plan.requests) for device in planned for poll in device.polls)
    sums = ", ".join((_counted(len(planned), "device"), _counted(polls, "poll"), _counted(requests, "request")))
    output.line(f"{sums}: {'can run' if ok else 'cannot run'}")
    return 0 if ok else 2


def _planned(settings: GatewaySettings, strict: bool, secrets: list[Problem]) -> Planned:
    """All that is wrong is said at once. Raises ConfigError."""
    try:
        return plan_settings(settings, strict)
    except ConfigError as error:
        raise ConfigError(secrets + error.problems) from None


def _rules(settings: Settings, planned: list[PlannedDevice]) -> list[Problem]:
    """What rules name must be there. A gateway that runs goes on without such a rule, and says so."""
    if not settings.rules:
        return []
    from datastore.analysis.virtual import unfound

    return unfound(settings.rules, {one.device.name: one for one in planned}, settings.gateway.place.folder)


def _keep_rules(settings: Settings, planned: list[PlannedDevice]) -> list[Problem]:
    """Those that do nothing, or keep nothing, as devices are now."""
    if settings.history is None:
        return []
    from datastore.history.rules import doubt

    told = {f"history.keep[{at}]": doubt(rule, planned) for at, rule in enumerate(settings.history.keep)}
    return [Problem(where, why, severity="warning") for where, why in told.items() if why]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
