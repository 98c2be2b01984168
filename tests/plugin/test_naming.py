"""Names say whose a sandbox is, and since when."""

from __future__ import annotations

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.naming import LIMIT, Namer, SandboxName, new_run

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
ALNUM = string.ascii_lowercase + string.digits


def test_a_name_reads_as_run_worker_number_and_test() -> None:
    """pt-<run>-<worker>-<n>-<test>."""
    namer = Namer("0tnusyk7x1f", "gw3")
    namer.test = "test_build[3.12]"

    names = [namer.next(), namer.next()]

    assert names == [
        "pt-0tnusyk7x1f-gw3-1-test-build-3-12",
        "pt-0tnusyk7x1f-gw3-2-test-build-3-12",
    ]


def test_a_name_parses_back_into_its_parts() -> None:
    """What was joined comes apart again, the run's start included."""
    parts = SandboxName.parse("pt-0tnusyk7x1f-gw3-12-test-build")

    assert parts == SandboxName("0tnusyk7x1f", "gw3", 12, "test-build")
    assert parts.started == 1793587484


def test_a_long_test_name_is_cut_to_the_limit() -> None:
    """At most 52 characters, and no hyphen at the end."""
    namer = Namer("0tnusyk7x1f", "gw3")
    namer.test = "test_" + "a" * 25 + "_" + "b" * 40

    assert namer.next() == "pt-0tnusyk7x1f-gw3-1-test-aaaaaaaaaaaaaaaaaaaaaaaaa"


def test_a_run_begins_with_its_start() -> None:
    """The first seven digits are the start in base 36."""
    assert new_run(1793587484.7)[:7] == "0tnusyk"


def test_two_runs_of_the_same_second_differ() -> None:
    """Four random digits follow the start."""
    assert len({new_run(1793587484.0) for _ in range(40)}) > 30


def test_names_of_others_are_not_taken_for_ours() -> None:
    """Only what this plugin makes parses."""
    others = ["demo", "pt-", "pt-x-gw0-1", "pt-0tnusyk7x1f-gw0-0-t", "pt-0tnusyk7x1f-gw0-1-", ""]

    assert [SandboxName.parse(name) for name in others] == [None] * len(others)


@given(
    worker=st.text(max_size=20),
    test=st.text(max_size=120),
    count=st.integers(min_value=0, max_value=3),
)
def test_any_name_is_a_label_of_at_most_52_characters(worker: str, test: str, count: int) -> None:
    """Whatever workers and tests are called, names are RFC 1123 labels and parse back."""
    namer = Namer("0tnusyk7x1f", worker)
    namer.test = test
    for _ in range(count):
        namer.next()

    name = namer.next()

    assert LABEL.fullmatch(name)
    assert len(name) <= LIMIT
    parts = SandboxName.parse(name)
    assert parts is not None
    assert (parts.run, parts.number, str(parts)) == ("0tnusyk7x1f", count + 1, name)


@given(now=st.integers(min_value=0, max_value=2**36))
def test_the_start_of_a_run_is_read_back_from_any_name(now: int) -> None:
    """Seconds since the epoch survive the way into a name and back."""
    name = Namer(new_run(now), "gw0").next()

    parts = SandboxName.parse(name)
    assert parts is not None
    assert parts.started == now
