"""How core-data's lists are wanted: which page, numbers as numbers, or one number of all."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from gateway.api.envelope import EdgexError
from gateway.api.paging import Page, Paged
from gateway.model.aggregate import FUNCTIONS

_NUMERIC = "`true`: numbers are numbers, not text"
_AGGREGATE = f"One number for each resource of each device instead: {', '.join(FUNCTIONS)}"


@dataclass(frozen=True, slots=True)
class Listing:
    """What is wanted of a list."""

    page: Page
    numeric: bool = False
    aggregate: str = ""
    """MIN, MAX, COUNT, SUM, AVG; empty: the readings themselves."""


def _numeric(numeric: Annotated[str, Query(description=_NUMERIC)] = "false") -> bool:
    if numeric.lower() not in ("true", "false"):
        raise EdgexError(400, f"failed to parse querystring numeric's value {numeric} into bool")
    return numeric.lower() == "true"


Numeric = Annotated[bool, Depends(_numeric)]


def _events(page: Paged, numeric: Numeric) -> Listing:
    return Listing(page, numeric)


def _readings(
    page: Paged,
    numeric: Numeric,
    function: Annotated[str, Query(alias="aggregateFunc", description=_AGGREGATE)] = "",
) -> Listing:
    if function and function.upper() not in FUNCTIONS:
        known = ", ".join(FUNCTIONS)
        raise EdgexError(400, f"querystring aggregateFunc's value {function} is not valid; there is {known}")
    return Listing(page, numeric, function.upper())


ListedEvents = Annotated[Listing, Depends(_events)]
ListedReadings = Annotated[Listing, Depends(_readings)]
