"""Files and init scripts of a template, and where its volume and its commands are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake.engines import EngineUnavailable, PodFailed, PodFile

if TYPE_CHECKING:
    from .conftest import Sandbox


def test_files_are_there_before_the_first_command(sandbox: Sandbox) -> None:
    """With their directories, contents and modes (contract 4.5)."""
    sandbox.spec = replace(
        sandbox.spec,
        files=[
            PodFile("/workspace/a/b.txt", "é\0\n"),
            PodFile("/workspace/run", "#!/bin/sh\necho ran", 0o755),
        ],
    )

    assert sandbox.run("od -An -c a/b.txt; stat -c %a a/b.txt run; ./run").stdout == (
        b" 303 251  \\0  \\n\n644\n755\nran\n"
    )


def test_init_scripts_run_in_order_after_the_files(sandbox: Sandbox) -> None:
    """By /bin/sh, in the working directory, with the environment (contract 4.5)."""
    sandbox.spec = replace(
        sandbox.spec,
        env={"GREETING": "hi"},
        files=[PodFile("/workspace/f", "file\n")],
        init_scripts=["cat f > log; echo $GREETING >> log", "echo second >> log"],
    )

    assert sandbox.run("cat log").stdout == b"file\nhi\nsecond\n"


def test_both_are_applied_again_at_every_resume(sandbox: Sandbox) -> None:
    """They overwrite what the volume has kept (contract 4.5)."""
    sandbox.spec = replace(
        sandbox.spec,
        files=[PodFile("/workspace/f", "new\n")],
        init_scripts=["echo again >> log"],
    )
    sandbox.run("echo changed > f")
    sandbox.run("true")
    sandbox.stop()

    assert sandbox.run("cat f log").stdout == b"new\nagain\nagain\n"


def test_what_an_init_script_leaves_running_ends_with_it(sandbox: Sandbox) -> None:
    """It runs in a container of its own, which is gone when the pod is ready."""
    sandbox.spec = replace(
        sandbox.spec, init_scripts=["(setsid sleep 600 & echo $! > pid) > /dev/null 2>&1"]
    )

    assert sandbox.run("kill -0 $(cat pid)").exit_code == 1


@pytest.mark.parametrize("scripts", [["exit 3"], ["true", "kill -9 $$"], ["no\0"]])
def test_an_init_script_that_fails_fails_the_pod(sandbox: Sandbox, scripts: list[str]) -> None:
    """No command runs in it, and each one tries anew (contract 4.3)."""
    sandbox.spec = replace(sandbox.spec, init_scripts=[*scripts, "touch never"])

    for _ in range(2):
        with pytest.raises(PodFailed):
            sandbox.run("touch never")

    sandbox.spec = replace(sandbox.spec, init_scripts=())
    assert sandbox.run("ls").stdout == b""


def test_why_it_failed_is_logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The Router itself has no more to say than "Unknown failure"."""
    sandbox.spec = replace(sandbox.spec, init_scripts=["echo no such tool >&2; exit 1"])

    with pytest.raises(PodFailed):
        sandbox.run("true")

    assert caplog.messages == ["sandbox demo: files or initScripts failed: no such tool"]


def test_a_file_outside_the_volume_needs_a_pod_that_may_write_there(pod: Sandbox) -> None:
    """/tmp may be written, the root file system may not (contract 5.2)."""
    pod.spec = replace(pod.spec, files=[PodFile("/tmp/f", "x"), PodFile("tmp/g", "y")])
    assert pod.run("cat /tmp/f /tmp/g").stdout == b"xy"

    pod.stop()
    pod.spec = replace(pod.spec, files=[PodFile("/etc/f", "x")])
    with pytest.raises(PodFailed, match="Read-only file system"):
        pod.run("true")


def test_no_file_of_the_host_is_written_for_a_subprocess(bare: Sandbox) -> None:
    """The error names the file, and what has files of its own."""
    bare.spec = replace(bare.spec, files=[PodFile("/workspace/../tmp/f", "x")])

    with pytest.raises(EngineUnavailable, match=r"below /workspace, and its template has /work"):
        bare.run("true")


@pytest.mark.parametrize("mount", ["/data", "/var/lib/app", "/usr/share/agenttier-test/x", "/opt"])
def test_the_volume_is_where_the_template_mounts_it(pod: Sandbox, mount: str) -> None:
    """It is kept as /workspace would be, and all else is as ever (contract 5.2)."""
    pod.spec = replace(pod.spec, mount=mount, workdir=mount)
    pod.run("echo kept > f")
    pod.stop()

    assert pod.run(
        f"pwd; cat {mount}/f; touch /workspace/x 2>/dev/null || echo closed;"
        f" mkdir {mount}-2 2>/dev/null || echo closed; echo t > /tmp/t && cat /tmp/t /dev/null;"
        " touch /proc/sys/x 2>/dev/null || echo closed"
    ).stdout == (f"{mount}\nkept\nclosed\nclosed\nt\nclosed\n".encode())


def test_a_mount_point_is_the_pod_s_own(pod: Sandbox, own_runtime: object) -> None:
    """No other sandbox of the node sees even its name."""
    mount = pod.spec.mount
    pod.spec = replace(pod.spec, mount="/data")
    pod.run("true")
    pod.stop()
    pod.spec = replace(pod.spec, mount=mount)

    assert pod.run("test -e /data").exit_code == 1


def test_a_working_directory_that_is_not_there_is_made(pod: Sandbox) -> None:
    """By the container runtime, so that it belongs to root."""
    pod.spec = replace(pod.spec, workdir="/opt/app/src")

    assert pod.run("pwd; touch x || ls -A .").stdout == b"/opt/app/src\n"


@pytest.mark.parametrize("workdir", [".", "..", "../..", "", "/tmp/volumes/..", "/proc/self/cwd"])
def test_no_working_directory_leads_to_the_volumes_of_others(pod: Sandbox, workdir: str) -> None:
    """Relative ones count from the root."""
    pod.run("echo mine > secret")
    pod.stop()
    pod.spec = replace(pod.spec, workdir=workdir)

    seen = pod.run("ls -d [0-9]* ../[0-9]* /proc/self/cwd/[0-9]*; cat */secret")

    assert seen.stdout.replace(b"mine\n", b"") == b""
    assert pod.run("pwd -P").stdout in (b"/\n", b"/tmp\n")


@pytest.mark.parametrize("workdir", ["..", "/", "/etc", "sub/../..", "/workspace/../x"])
def test_a_subprocess_works_in_its_volume_whatever_the_template_says(
    bare: Sandbox, workdir: str
) -> None:
    """There are no other directories that would be its own."""
    bare.spec = replace(bare.spec, workdir=workdir)

    assert bare.run('[ "$(pwd -P)" = "$(cd $HOME && pwd -P)" ] && echo home').stdout == b"home\n"


def test_a_locked_workspace_opens_again_with_the_next_pod(pod: Sandbox) -> None:
    """A volume belongs to whoever mounts it."""
    pod.run("echo kept > f; chmod 000 /workspace")
    pod.stop()

    assert pod.run("cat f").stdout == b"kept\n"


def test_the_environment_takes_any_bytes_but_nul(pod: Sandbox) -> None:
    """No value is taken for the name of the next."""
    pod.spec = replace(pod.spec, env={"A": "x\nB=y", "C D": "é"})

    assert pod.run("env").stdout.count(b"x\nB=y\n") == 1
