from pytest_agenttier import assert_exec


def test_hello(sandbox):
    assert_exec(sandbox, "echo hello > a && cat a", stdout="hello\n")
