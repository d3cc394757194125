"""Expressions of rules: numbers, names, arithmetic, comparisons and a few functions. Nothing in them can run code.

simpleeval walks the tree (no `eval`, no `compile`). It is locked down twice: what is not on the list here is refused
when the rule is loaded, and every operation looks at what it is given when it is carried out.
"""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Collection
from typing import Any

from gateway.model.near import nearest

MAX_TEXT = 500
MAX_NODES = 200
MAX_EXPONENT = 64
MAX_NUMBER = 2**128
"""Whole numbers beyond this are no readings of anything."""

_ALLOWED = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare,
    ast.IfExp,
    ast.And, ast.Or, ast.Not, ast.USub, ast.UAdd, ast.Invert,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr, ast.BitXor,
    ast.LShift, ast.RShift, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip
_WORDS = {
    ast.Attribute: "a point after a name, which would reach into Python",
    ast.Subscript: "square brackets",
    ast.Lambda: "lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "a text with { } in it",
    ast.NamedExpr: "an assignment",
    ast.Starred: "a star",
}


class WrongFormula(ValueError):
    """Why an expression is not taken, in plain words."""


class NoResult(ArithmeticError):
    """Why there is no result for these readings, in plain words."""


def _number(value: Any) -> Any:
    if isinstance(value, (int, float)):
        if isinstance(value, int) and not -MAX_NUMBER < value < MAX_NUMBER:
            raise NoResult("a number has too many digits")
        return value
    raise NoResult(f"{str(value)[:40]!r} is text, which can only be compared")


def _whole(value: Any) -> int:
    value = _number(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise NoResult(f"{value:g} is no whole number, and has no bits")
        return int(_number(int(value)))
    return int(value)


def _numbers(act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: act(_number(a), _number(b))


def _bits(act: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    return lambda a, b: act(_whole(a), _whole(b))


def _power(a: Any, b: Any) -> Any:
    if abs(_number(b)) > MAX_EXPONENT:
        raise NoResult(f"the exponent {b:g} is beyond {MAX_EXPONENT}")
    found = _number(a) ** b
    if isinstance(found, complex):
        raise NoResult(f"{a:g} ** {b:g} is no real number")
    return found


def _shift(act: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def shift(a: Any, b: Any) -> int:
        by = _whole(b)
        if not 0 <= by <= MAX_EXPONENT:
            raise NoResult(f"a shift by {by} bits is beyond {MAX_EXPONENT}")
        return act(_whole(a), by)

    return shift


def _round(value: Any, digits: Any = 0) -> float:
    return float(round(float(_number(value)), max(-300, min(300, _whole(digits)))))


def _of_numbers(act: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: act(*(_number(value) for value in values))


OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: _numbers(operator.add),
    ast.Sub: _numbers(operator.sub),
    ast.Mult: _numbers(operator.mul),
    ast.Div: _numbers(operator.truediv),
    ast.FloorDiv: _numbers(operator.floordiv),
    ast.Mod: _numbers(operator.mod),
    ast.Pow: _power,
    ast.BitAnd: _bits(operator.and_),
    ast.BitOr: _bits(operator.or_),
    ast.BitXor: _bits(operator.xor),
    ast.LShift: _shift(operator.lshift),
    ast.RShift: _shift(operator.rshift),
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _numbers(operator.lt),
    ast.LtE: _numbers(operator.le),
    ast.Gt: _numbers(operator.gt),
    ast.GtE: _numbers(operator.ge),
    ast.Not: operator.not_,
    ast.USub: lambda a: -_number(a),
    ast.UAdd: _number,
    ast.Invert: lambda a: ~_whole(a),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _of_numbers(abs),
    "min": _of_numbers(min),
    "max": _of_numbers(max),
    "round": _round,
    "floor": _of_numbers(math.floor),
    "ceil": _of_numbers(math.ceil),
    "sqrt": _of_numbers(math.sqrt),
    "exp": _of_numbers(math.exp),
    "log": _of_numbers(math.log),
    "log10": _of_numbers(math.log10),
    "sin": _of_numbers(math.sin),
    "cos": _of_numbers(math.cos),
    "tan": _of_numbers(math.tan),
    "atan2": _of_numbers(math.atan2),
}
_TAKES = {"min": (2, MAX_NODES), "max": (2, MAX_NODES), "round": (1, 2), "atan2": (2, 2)}
"""So many values at least and at most; the others take one."""
CONSTANTS = {"pi": math.pi}


def check(text: str, names: Collection[str]) -> ast.expr:
    """The tree of an expression over `names`. Raises WrongFormula."""
    if len(text) > MAX_TEXT:
        raise WrongFormula(f"the expression has {len(text)} characters; at most {MAX_TEXT} are taken")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise WrongFormula(f"{_short(text)} is no expression: {getattr(error, 'msg', error)}") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise WrongFormula(f"the expression has {len(nodes)} parts; at most {MAX_NODES} are taken")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        _check(node, names, called)
    unused = sorted(set(names) - {node.id for node in nodes if isinstance(node, ast.Name)})
    if unused:
        raise WrongFormula(f"{unused[0]} is given in `of` and not used in {_short(text)}")
    wrong = next((name for name in names if not name.isidentifier() or name in FUNCTIONS or name in CONSTANTS), None)
    if wrong is not None:
        raise WrongFormula(f"{wrong!r} cannot stand in an expression; name it with letters, digits and _")
    return tree.body


def _check(node: ast.AST, names: Collection[str], called: Collection[int]) -> None:
    if isinstance(node, ast.keyword) or not isinstance(node, _ALLOWED):
        what = _WORDS.get(type(node), f"{type(node).__name__}")
        raise WrongFormula(
            f"{what} is not allowed here: numbers, names, + - * / // % **, comparisons, and, or, not, functions"
        )
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            name = node.func.id if isinstance(node.func, ast.Name) else "this"
            raise WrongFormula(
                f"there is no function {name}{_meant(name, FUNCTIONS)}; there are {', '.join(FUNCTIONS)}"
            )
        least, most = _TAKES.get(node.func.id, (1, 1))
        if not least <= len(node.args) <= most:
            takes = f"{least}" if least == most else f"{least} or more" if most == MAX_NODES else f"{least} to {most}"
            raise WrongFormula(f"{node.func.id} takes {takes} values and is given {len(node.args)}")
    elif isinstance(node, ast.Name) and id(node) not in called and node.id not in names and node.id not in CONSTANTS:
        raise WrongFormula(f"{node.id} is not given in `of`{_meant(node.id, names)}")
    elif isinstance(node, ast.Constant):
        _check_constant(node.value)


def _check_constant(value: Any) -> None:
    if isinstance(value, str):
        if len(value) > 100:
            raise WrongFormula("a text in an expression has at most 100 characters")
    elif not isinstance(value, (bool, int, float)):
        raise WrongFormula(f"{str(value)[:40]} is no number")
    elif isinstance(value, int) and abs(value) >= MAX_NUMBER:
        raise WrongFormula("a number in an expression has at most 38 digits")


def _meant(name: str, choices: Collection[str]) -> str:
    near = nearest(name, choices)
    return f"; did you mean {near}?" if near else ""


def _short(text: str) -> str:
    return repr(re.sub(r"\s+", " ", text)[:80])


def is_truth(tree: ast.expr) -> bool:
    """Whether the result of a checked expression is true or false rather than a number."""
    if isinstance(tree, ast.IfExp):
        return is_truth(tree.body) and is_truth(tree.orelse)
    if isinstance(tree, ast.Constant):
        return isinstance(tree.value, bool)
    return isinstance(tree, (ast.Compare, ast.BoolOp)) or (
        isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
    )


class Expression:
    """An expression that was checked, ready to be worked out many times."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        """Raises WrongFormula."""
        tree = check(text, names)
        from simpleeval import SimpleEval  # only gateways with a formula need it

        self.text, self._tree, self.truth = text, tree, is_truth(tree)
        """`truth`: its result is true or false rather than a number."""
        self._eval = SimpleEval(operators=dict(OPERATORS), functions=dict(FUNCTIONS), names={})
        kept = (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call)
        self._eval.nodes = {kind: act for kind, act in self._eval.nodes.items() if kind in kept}

    def of(self, values: dict[str, Any]) -> float | bool:
        """With these values: a finite number, or a Bool if it is a `truth`. Raises NoResult."""
        self._eval.names = {**CONSTANTS, **values}
        try:
            found = self._eval.eval(self.text, self._tree)
        except ZeroDivisionError:
            raise NoResult("division by zero") from None
        except OverflowError:
            raise NoResult("the result is too large") from None
        except NoResult:
            raise
        except (ValueError, TypeError, ArithmeticError) as error:
            raise NoResult(str(error)) from None
        if self.truth:
            return bool(found)
        if not isinstance(found, (int, float)):
            raise NoResult("the result is text, and must be a number or true or false")
        number = float(found)
        if not math.isfinite(number):
            raise NoResult("the result is not finite")
        return number
