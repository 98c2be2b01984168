import pytest

from pytest_agenttier import assert_exec


@pytest.fixture(scope="module")
def sandbox(sandbox_factory):
    with sandbox_factory() as sandbox:
        yield sandbox


def test_writes(sandbox):
    assert_exec(sandbox, "echo kept > file")


def test_reads(sandbox):
    assert_exec(sandbox, "cat file", stdout="kept\n")
