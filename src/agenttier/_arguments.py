"""What arguments have to be: what cannot be sent is refused, and told with what is expected."""

from __future__ import annotations

from numbers import Real

from agenttier.exceptions import InvalidRequestError

LONGEST_WAIT = 2_000_000
"""Seconds, 23 days: sockets count their milliseconds in 31 bits."""

_SHOWN = 100


def text(argument: str, value: object) -> str:
    """A value that has to be text."""
    if not isinstance(value, str):
        raise refusal(argument, value, f"expected text, not {type(value).__name__}")
    return value


def text_or_none(argument: str, value: object) -> str | None:
    """A value that may be left out."""
    return None if value is None else text(argument, value)


def seconds(argument: str, value: object, *, zero: str = "") -> float:
    """Seconds to wait; they may be 0 only where ``zero`` says what that does."""
    amount = _amount(value)
    if not (0 < amount <= LONGEST_WAIT or (zero and amount == 0)):
        range_ = f"0 {zero}" if zero else "more than 0"
        raise refusal(argument, value, f"expected seconds, {range_}, at most {LONGEST_WAIT}")
    return amount


def whole(argument: str, value: object, what: str, *, most: int) -> int:
    """A whole number from 1 to ``most``, also where it is written as a float."""
    amount = _amount(value)
    if not (1 <= amount <= most and amount.is_integer()):
        raise refusal(argument, value, f"expected {what} from 1 to {most}")
    return int(amount)


def refusal(argument: str, value: object, expected: str) -> InvalidRequestError:
    """The error for an argument: its name, what was given, and what is expected."""
    return InvalidRequestError(f"{argument}={shown(value)}: {expected}")


def shown(value: object) -> str:
    """A value as an error shows it, shortened."""
    try:
        given = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"<{type(value).__name__}>"
    return given if len(given) <= _SHOWN else f"{given[:_SHOWN]}…"


def _amount(value: object) -> float:
    """A number as a float: NaN for what is none, infinity for what is too large."""
    if not isinstance(value, Real):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf")
