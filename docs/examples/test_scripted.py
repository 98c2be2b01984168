from pytest_agenttier import assert_exec


def test_build(sandbox, fake_router):
    fake_router.exec.register("make", stdout="built\n", exit_code=0)
    assert_exec(sandbox, "make", stdout="built\n")
