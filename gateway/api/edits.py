"""Changes of the configuration: a batch is one change, and where that is refused, one change each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.api.envelope import EdgexError, GoResponse, as_edgex, base
from gateway.model.configuration import Configuration
from gateway.model.contracts import Registry
from gateway.model.errors import ConfigError

Step = Callable[[Configuration], Configuration]
"""Makes the next configuration of what is in force. Raises EdgexError when that must not be."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One request of a batch."""

    request_id: str
    step: Step
    status: int = 200
    """When it went well."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What the answer says besides, e.g. the id."""


async def apply_batch(registry: Registry, edits: Sequence[Edit]) -> GoResponse:
    """207 and one answer each, in order."""
    errors: list[EdgexError | None] = []

    def together(configuration: Configuration) -> Configuration:
        errors.clear()
        for edit in edits:
            try:
                configuration = edit.step(configuration)
                errors.append(None)
            except EdgexError as error:
                errors.append(error)
        return configuration

    try:
        await registry.change(together)
    except ConfigError:
        # somebody's entry spoils the whole: find out whose, and let the others in
        errors = [await _alone(registry, edit.step) for edit in edits]
    return GoResponse([_answer(e, error) for e, error in zip(edits, errors, strict=True)], status_code=207)


async def _alone(registry: Registry, step: Step) -> EdgexError | None:
    try:
        await registry.change(step)
    except (EdgexError, ConfigError) as error:
        return as_edgex(error)
    return None


def _answer(edit: Edit, error: EdgexError | None) -> dict[str, Any]:
    if error:
        return base(error.status, request_id=edit.request_id, message=error.chain[0])
    return base(edit.status, request_id=edit.request_id, **edit.more)
