"""What stands after `while:` in a keep rule: an expression over resources of one device, as formulas of rules are."""

import re
from typing import Any

from datastore.analysis.formula import CONSTANTS, FUNCTIONS, Expression, NoResult

_NAME = re.compile(r"'[^']*'|\"[^\"]*\"|([A-Za-z_]\w*)")
_WORDS = {"and", "or", "not", "if", "else", "True", "False", *FUNCTIONS, *CONSTANTS}


class Condition:
    """Raises WrongFormula (a ValueError) for what is no condition."""

    def __init__(self, text: str) -> None:
        self.names = frozenset(name for name in _NAME.findall(text) if name) - _WORDS
        self._expression = Expression(text, self.names)
        if not self._expression.truth:
            raise ValueError(f"{text!r} is neither true nor false; compare with something, such as Power > 10")

    def holds(self, values: dict[str, Any]) -> bool:
        """False also while a value that it needs is missing or bad."""
        if self.names - values.keys():
            return False
        try:
            return bool(self._expression.of(values))
        except NoResult:
            return False
