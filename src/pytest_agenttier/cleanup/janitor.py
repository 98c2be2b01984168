"""Deletes what a process left behind that cannot do so itself any more.

Started detached with the first sandbox on a live Router, as a program of its own. Its standard
input is a pipe whose other end only that process holds: end-of-file means that the process is gone,
however it went. Until then it has imported next to nothing, and waits.

Credentials are inherited with the environment. Arguments: the journal, the Router's URL, and where
the packages are.
"""

from __future__ import annotations

import os
import sys

GRACE = 1.0
"""Seconds for others to clean up first: the controller of a run after a dead worker."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


def start(journal: str, url: str) -> int:
    """Start the janitor of this process.

    Returns:
        The end of the pipe that holds it back: when it is closed, the janitor begins.
    """
    theirs, ours = os.pipe()
    packages = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - no pathlib
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    # GitHub's runners kill what carries the identity of the job that has ended.
    environment = {**os.environ, "RUNNER_TRACKING_ID": ""}
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", __file__, journal, url, packages],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, theirs, 0),
            (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, null, 2),
        ],
    )
    os.close(theirs)
    os.close(null)
    return ours


def main() -> None:
    """Wait until the process is gone, then delete what its journal says is left."""
    if os.getsid(0) != os.getpid():
        os.setsid()  # signals to the run's group are not for us
    os.chdir("/")
    while os.read(0, 1):
        continue
    journal, url, packages = sys.argv[1:4]
    if not os.path.exists(journal):  # noqa: PTH110 - pathlib is more than all the rest
        return
    sys.path[:0] = [packages]
    from pytest_agenttier.cleanup.leftovers import delete_until_none_is_left

    delete_until_none_is_left(journal, url, GRACE, PAUSES)


if __name__ == "__main__":
    main()
