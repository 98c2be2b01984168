"""What a command in a pod can see and change: nothing of the host, whoever runs the tests."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import PodServer


def test_a_command_is_user_1000(someones_pods: PodServer) -> None:
    """uid and gid are 1000, whoever runs the tests (contract 5.2)."""
    assert someones_pods.run("id -u; id -g; id -un; id -gn; umask") == (
        "1000\n1000\nsandbox\nsandbox\n0022\n",
        "",
        0,
    )


@pytest.mark.parametrize("path", ["/x", "/usr/x", "/etc/x", "/home/sandbox/x", "/dev/x"])
def test_all_but_workspace_and_tmp_is_read_only(someones_pods: PodServer, path: str) -> None:
    """The root file system is read-only (contract 5.2)."""
    assert someones_pods.run(f"LC_ALL=C touch {path}") == (
        "",
        f"touch: cannot touch '{path}': Read-only file system\n",
        1,
    )


@pytest.mark.parametrize("directory", ["/workspace", "/tmp", "/dev/shm"])
def test_workspace_and_tmp_are_writable(someones_pods: PodServer, directory: str) -> None:
    """/workspace and /tmp take files (contract 5.2)."""
    assert someones_pods.run(f"echo a > {directory}/x && cat {directory}/x") == ("a\n", "", 0)


def test_the_root_holds_nothing_of_the_host_but_usr(someones_pods: PodServer) -> None:
    """The other system directories are links into it, or read-only where they are not."""
    seen = someones_pods.run("ls / | grep -v -x -E '(bin|sbin|lib.*)'; ls -A /home/* /run /var")

    assert seen.stdout == (
        "dev\netc\nhome\nproc\nrun\ntmp\nusr\nvar\nworkspace\n"
        "/home/sandbox:\n\n/run:\n\n/var:\ntmp\n"
    )


@pytest.mark.parametrize("path", ["/etc/shadow", "/root", "/etc/machine-id", "/sys", "/boot"])
def test_files_of_the_host_are_not_there(someones_pods: PodServer, path: str) -> None:
    """Not unreadable: absent."""
    assert someones_pods.run(f"test -e {path}").exit_code == 1


def test_a_path_of_the_host_is_not_there(someones_pods: PodServer, tmp_path: Path) -> None:
    """Neither directly, nor through a link, nor through another process's root."""
    (tmp_path / "secret").write_text("of-the-host")
    (tmp_path / "secret").chmod(0o644)

    seen = someones_pods.run(
        f"ln -s {tmp_path}/secret link; ln -s / root;"
        f"cat {tmp_path}/secret link root{tmp_path}/secret /proc/*/root{tmp_path}/secret"
    )

    assert (seen.stdout, seen.exit_code) == ("", 1)


def test_the_environment_is_the_image_s(someones_pods: PodServer) -> None:
    """Nothing of the host's environment is there (contract 5.2)."""
    assert someones_pods.run("env | sort") == (
        "HOME=/home/sandbox\n"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "PWD=/workspace\n",
        "",
        0,
    )


def test_no_process_shows_an_environment_of_the_host(someones_pods: PodServer) -> None:
    """Not even the first one, which the node made."""
    seen = someones_pods.run("cat /proc/*/environ | tr '\\0' '\\n' | grep -c of-the-host")

    assert seen.stdout == "0\n"


def test_the_first_process_cannot_be_looked_into(someones_pods: PodServer) -> None:
    """It knows descriptors that lead out of the pod."""
    seen = someones_pods.run(
        "readlink /proc/1/fd/* /proc/1/root /proc/1/cwd; cat /proc/1/mem;"
        " for fd in /proc/1/fd/*; do cat < $fd; done"
    )

    assert seen.stdout == ""


def test_the_first_process_looks_as_in_a_real_pod(someones_pods: PodServer) -> None:
    """And shows no path of the host."""
    seen = someones_pods.run("cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline | sed 's/ *$//'")

    assert seen.stdout == "sleep\nsleep infinity"


def test_the_first_process_survives_every_signal(someones_pods: PodServer) -> None:
    """A command cannot end its own pod."""
    assert someones_pods.run("for s in 1 2 3 9 11 15 19; do kill -$s 1; done; echo alive") == (
        "alive\n",
        "",
        0,
    )


def test_processes_of_the_host_are_not_seen(someones_pods: PodServer) -> None:
    """The pod has process ids of its own."""
    with subprocess.Popen(["sleep", "987654.25"]) as on_host:
        seen = someones_pods.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        on_host.kill()

    assert "cmdline" in seen.stdout
    assert "987654.25" not in seen.stdout


def test_a_process_of_the_host_cannot_be_signalled(someones_pods: PodServer) -> None:
    """Its id means nothing in the pod."""
    with subprocess.Popen(["sleep", "600"]) as on_host:
        seen = someones_pods.run(f"kill -9 {on_host.pid}")
        alive = on_host.poll() is None
        on_host.kill()

    assert (seen.exit_code, alive) == (1, True)


def test_the_host_s_loopback_is_out_of_reach(someones_pods: PodServer) -> None:
    """A service on the host's 127.0.0.1 refuses a pod's connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        seen = someones_pods.run(f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'")
        with pytest.raises(BlockingIOError):
            server.accept()

    assert "Connection refused" in seen.stderr


def test_loopback_is_the_only_network(someones_pods: PodServer) -> None:
    """No packet leaves the pod."""
    assert someones_pods.run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").stdout == "lo\n"


def test_unix_sockets_of_the_host_are_not_seen(someones_pods: PodServer) -> None:
    """Abstract names belong to the network namespace."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0of-the-host-{os.getpid()}")
        server.listen()
        seen = someones_pods.run("grep -c of-the-host /proc/net/unix")

    assert seen.stdout == "0\n"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/kernel/msgmax",
        "/proc/sysrq-trigger",
        "/proc/self/uid_map",
    ],
)
def test_the_kernel_s_settings_cannot_be_written(someones_pods: PodServer, path: str) -> None:
    """As root, with a plain /proc, the host's core_pattern could be."""
    before = Path(path).read_bytes() if path.startswith("/proc/sys/") else b""

    seen = someones_pods.run(f"echo 1 > {path}")

    assert seen.exit_code != 0
    assert (Path(path).read_bytes() if path.startswith("/proc/sys/") else b"") == before


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/kmsg", "/proc/1/environ"])
def test_secrets_of_the_kernel_cannot_be_read(someones_pods: PodServer, path: str) -> None:
    """They are root's, and no user of a pod is root on the host."""
    assert someones_pods.run(f"LC_ALL=C head -c 1 {path}").exit_code == 1


KEYCTL = """
import ctypes, os, platform
libc, long = ctypes.CDLL(None, use_errno=True), ctypes.c_long
add_key, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
SESSION, USER, USER_SESSION = map(long, (-3, -4, -5))
def call(*arguments):
    return 1 if libc.syscall(*arguments) > 0 else -ctypes.get_errno()
def add(ring):
    return call(long(add_key), b"user", b"of-a-test", b"secret", long(6), ring)
def search(ring):
    return call(long(keyctl), long(10), ring, b"user", b"of-a-test", long(0))
"""


@pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="other numbers of system calls"
)
def test_keyrings_are_not_shared(someones_pods: PodServer) -> None:
    """No key of the host's session or of another sandbox is found, nor its name."""
    run = "python3 -c '{}print(*[{}(ring) for ring in (SESSION, USER, USER_SESSION)])'"
    exec(f"{KEYCTL}add(SESSION), add(USER)", {})

    kept = someones_pods.run(run.format(KEYCTL, "add"), "one").stdout.split()
    found = someones_pods.run(run.format(KEYCTL, "search") + "; cat /proc/keys", "two").stdout

    assert kept[0] == f"-{errno.EKEYREVOKED}"
    assert found == f"-{errno.EKEYREVOKED} -{errno.ENOKEY} -{errno.ENOKEY}\n"


def test_a_command_has_no_capability_and_gains_none(someones_pods: PodServer) -> None:
    """All sets are empty, and no_new_privs is set; in the pod's first process, too."""
    none = "CapPrm:0000000000000000\nCapEff:0000000000000000\nCapAmb:0000000000000000\n"

    assert someones_pods.run(
        "for process in self 1; do"
        " grep -E '^(CapPrm|CapEff|CapAmb|NoNewPrivs)' /proc/$process/status | tr -d '\\t'; done"
    ).stdout == 2 * (none + "NoNewPrivs:1\n")


def test_a_setuid_program_gains_nothing(someones_pods: PodServer) -> None:
    """Neither one of the sandbox's own nor one of /usr."""
    seen = someones_pods.run(
        "cp /usr/bin/id own && chmod 4755 own && ./own -u; find /usr/bin -perm -4000 -newermt 1970"
        " -name mount -exec {} -t tmpfs none /tmp \\; ; grep -c ' /tmp ' /proc/self/mountinfo"
    )

    assert seen.stdout == "1000\n1\n"


@pytest.mark.parametrize("flags", ["-U", "-Ur", "-Urm", "-Urn"])
def test_no_further_namespaces_can_be_made(someones_pods: PodServer, flags: str) -> None:
    """There would be all capabilities in them."""
    assert someones_pods.run(f"unshare {flags} true").exit_code == 1


def test_nothing_can_be_mounted_or_unmounted(someones_pods: PodServer) -> None:
    """What covers the host stays where it is."""
    assert someones_pods.run("umount -l /tmp; umount -l /proc/sys; ls -A /tmp").stdout == ""


def test_sandboxes_see_different_files(someones_pods: PodServer) -> None:
    """Each has a /workspace, a /tmp and a /dev/shm of its own."""
    someones_pods.run("touch /workspace/a /tmp/a /dev/shm/a", "one")

    assert someones_pods.run("ls -A /workspace /tmp /dev/shm", "two").stdout == (
        "/dev/shm:\n\n/tmp:\n\n/workspace:\n"
    )


def test_sandboxes_do_not_see_each_other_s_processes(someones_pods: PodServer) -> None:
    """Nor can they signal them."""
    someones_pods.run("sleep 600 > /dev/null 2>&1 &", "one")

    assert someones_pods.run("pgrep -x -a sleep | grep -c 600", "two").stdout == "0\n"


def test_sandboxes_have_names_of_their_own(someones_pods: PodServer) -> None:
    """The hostname is the pod's."""
    one = someones_pods.run("hostname; cat /etc/hostname", "one").stdout.split()
    two = someones_pods.run("hostname; cat /etc/hostname", "two").stdout.split()

    assert [name.split("-", 1)[1] for name in one + two] == ["one-pod"] * 2 + ["two-pod"] * 2


def test_sandboxes_have_loopbacks_of_their_own(someones_pods: PodServer) -> None:
    """A port that one serves is closed in the other."""
    someones_pods.run(
        "python3 -u -m http.server 8080 > log 2>&1 & until grep -q 8080 log; do :; done", "one"
    )

    there = someones_pods.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' && echo open", "one")
    elsewhere = someones_pods.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' && echo open", "two")

    assert (there.stdout, elsewhere.stdout) == ("open\n", "")


def test_programs_of_the_host_find_what_they_need(someones_pods: PodServer) -> None:
    """Alternatives, libraries, terminals, and descriptors by name."""
    seen = someones_pods.run(
        "awk 'BEGIN { print 1 }'; echo 2 > /dev/stdout; cat /dev/fd/3 3< /etc/hostname > /dev/null"
        " && echo 3; script -qec 'test -t 0 && echo 4' /dev/null | tr -d '\\r'"
    )

    assert seen.stdout == "1\n2\n3\n4\n"
