"""Go's durations (contract 1.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.fake.go.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("0s", 0),
        ("24h", 86_400_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("-10s", -10_000_000_000),
        ("1us1µs1μs", 3_000),
        ("2562047h47m16.854775807s", (1 << 63) - 1),
        ("-2562047h47m16.854775808s", -(1 << 63)),
    ],
)
def test_a_duration_is_a_sum_of_decimal_terms(text: str, nanoseconds: int) -> None:
    """Units ns us µs ms s m h; decimals and combinations allowed."""
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", 'time: invalid duration ""'),
        ("+", 'time: invalid duration "+"'),
        ("abc", 'time: invalid duration "abc"'),
        (".h", 'time: invalid duration ".h"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1h1", 'time: missing unit in duration "1h1"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("30M", 'time: unknown unit "M" in duration "30M"'),
        ("1h ", 'time: unknown unit "h " in duration "1h "'),
        ("9999999h", 'time: invalid duration "9999999h"'),
        ("2562047h47m16.854775808s", 'time: invalid duration "2562047h47m16.854775808s"'),
        ('1"', 'time: unknown unit "\\"" in duration "1\\""'),
        ("1é", 'time: unknown unit "\\xc3\\xa9" in duration "1\\xc3\\xa9"'),
    ],
)
def test_what_is_no_duration_is_refused_with_the_words_of_go(text: str, error: str) -> None:
    """No days, no inner spaces, case matters."""
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        parse_duration(text)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (100_000_000, "100ms"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (5_400_000_000_000, "1h30m0s"),
        (86_400_000_000_000, "24h0m0s"),
        (-300_000_000_000, "-5m0s"),
    ],
)
def test_a_duration_prints_in_its_normal_form(nanoseconds: int, text: str) -> None:
    """Hours, minutes and seconds; below a second the largest unit that fits."""
    assert format_duration(nanoseconds) == text


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_what_is_printed_parses_back(nanoseconds: int) -> None:
    """Printing loses nothing."""
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@given(st.text(max_size=20) | st.from_regex(r"[-+]?[0-9.]{0,25}[a-zµ ]{0,3}", fullmatch=True))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Nothing but a ValueError comes out, and no duration beyond 64 bits."""
    try:
        nanoseconds = parse_duration(text)
    except ValueError:
        return
    assert -(1 << 63) <= nanoseconds < 1 << 63
