"""`$(base + 10)` inside the text of a profile: what it names, what it comes to.

Numbers, names, `+ - * /` and brackets, worked out exactly (0.1 * 3 is 0.3): enough for "circuit n begins at 1000 + 100
* n" and for a transformer's ratio, and nothing that could run, wait or grow.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from gateway.model.scalar import Plain

MARK = "$("
MAX_TEXT = 200
"""Characters between the brackets."""
Value = bool | int | float | str
_PART = re.compile(r"\$\$\(|\$\((?P<inside>[^()]*(?:\([^()]*\)[^()]*)*)\)|\$\(")
Exact = int | Fraction
_DOES: Mapping[type[ast.operator], Callable[[Exact, Exact], Exact]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: Fraction,
}
EXPECTED = "expected the name of a parameter or a sum such as $(base + 100 * circuit)"


class WrongExpression(ValueError):
    """What stands in the brackets means nothing, or comes to nothing."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between the brackets."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]

    @property
    def alone(self) -> bool:
        """Only a name: a value of any type."""
        return isinstance(self.tree, ast.Name)

    def of(self, values: Mapping[str, Value]) -> Value:
        """What it comes to; a whole result is an int. Raises WrongExpression."""
        if isinstance(self.tree, ast.Name):
            return values[self.tree.id]
        try:
            found = _number(self.tree, values)
            near = float(found)  # a whole number without end could not be written either
            return int(found) if found.denominator == 1 else near
        except ZeroDivisionError:
            raise WrongExpression(f"$({self.text}) divides by 0") from None
        except OverflowError:
            raise WrongExpression(f"$({self.text}) comes to a number of too many digits") from None


@lru_cache(maxsize=16_384)
def pieces(text: str) -> tuple[str | Expression, ...]:
    """The text in parts; `$$(` is a plain `$(`. Raises WrongExpression."""
    return tuple(_pieces(text))


def _pieces(text: str) -> Iterator[str | Expression]:
    at = 0
    for found in _PART.finditer(text):
        if found.start() > at:
            yield text[at : found.start()]
        at = found.end()
        if found[0] == "$$(":
            yield MARK
        elif found["inside"] is None:
            raise WrongExpression(f"{text[found.start() :][:60]}: the bracket is not closed")
        else:
            yield _expression(found["inside"].strip())
    if at < len(text):
        yield text[at:]


def inserted(text: str, values: Mapping[str, Value]) -> str:
    """The text with values for its expressions: one that stands alone means what it would mean in a YAML file (`Plain`:
    a number in a number field, text in a text field), text parameters and mixtures are text. Raises WrongExpression."""
    parts = [part if isinstance(part, str) else part.of(values) for part in pieces(text)]
    if len(parts) == 1 and not isinstance(parts[0], str):
        return Plain(written(parts[0]))
    return "".join(map(written, parts))


def written(value: Value) -> str:
    """As a person would write it: `80` for 80.0, `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _expression(text: str) -> Expression:
    if len(text) > MAX_TEXT:
        raise WrongExpression(f"$({text[:40]}…) is longer than {MAX_TEXT} characters")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise WrongExpression(f"$({text}) cannot be read; {EXPECTED}") from None
    _known(tree, text)
    names = dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return Expression(text, tree, tuple(names))


def _known(tree: ast.expr, text: str) -> None:
    """Raises WrongExpression for anything but numbers, names and sums of them."""
    match tree:
        case ast.Constant(value=float() as number) if not math.isfinite(number):
            raise WrongExpression(f"$({text}) has a number of too many digits")
        case ast.Name() | ast.Constant(value=int() | float()) if not isinstance(getattr(tree, "value", 0), bool):
            return
        case ast.BinOp() if type(tree.op) in _DOES:
            _known(tree.left, text)
            _known(tree.right, text)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            _known(tree.operand, text)
        case _:
            raise WrongExpression(f"$({text}): only numbers, parameters, + - * / and brackets; {EXPECTED}")


def _number(tree: ast.expr, values: Mapping[str, Value]) -> Exact:
    if isinstance(tree, ast.BinOp):
        return _DOES[type(tree.op)](_number(tree.left, values), _number(tree.right, values))
    if isinstance(tree, ast.UnaryOp):
        found = _number(tree.operand, values)
        return -found if isinstance(tree.op, ast.USub) else found
    value = values[tree.id] if isinstance(tree, ast.Name) else ast.literal_eval(tree)
    return value if isinstance(value, int) else Fraction(str(value))
