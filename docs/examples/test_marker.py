import pytest

from pytest_agenttier import SandboxOptions, assert_exec


@pytest.mark.agenttier(template="general-coding", timeout="30m")
def test_marked(sandbox):
    assert_exec(sandbox, ["test", "-w", "/workspace"])


@pytest.mark.parametrize(
    "sandbox", ["general-coding", SandboxOptions(storage_size="1Gi")], indirect=True
)
def test_on_each(sandbox):
    assert_exec(sandbox, "exit 3", exit_code=3)


def test_several(sandbox_factory):
    with sandbox_factory() as one, sandbox_factory() as other:
        assert_exec(one, "touch here")
        assert_exec(other, "ls", stdout="")


@pytest.mark.anyio
async def test_async(async_sandbox):
    await assert_exec(async_sandbox, "uname", stdout="Linux\n")
