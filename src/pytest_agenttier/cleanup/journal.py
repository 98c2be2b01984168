"""What a process makes, on disk before it is made; readable whatever became of the process.

A run has a folder of its own in the user's state directory, and each of its processes one file in
it, to which lines are only ever appended. The process holds a lock on its file: whoever can take it
knows that the process is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

INTENDED, UNSURE, MADE, REFUSED, DELETED = "intended", "unsure", "made", "refused", "deleted"


def runs_folders() -> list[Path]:
    """Where the folders of this user's runs are: the state directory, else the temporary one."""
    home = os.environ.get("XDG_STATE_HOME")
    if home:
        state = Path(home)
    elif sys.platform == "darwin":
        state = Path.home() / "Library" / "Application Support"
    else:
        state = Path.home() / ".local" / "state"
    temporary = Path(tempfile.gettempdir(), f"pytest-agenttier-{os.getuid()}")
    return [state / "pytest-agenttier" / "runs", temporary / "runs"]


class Journal:
    """The file of one process of a run.

    Args:
        run: The run's identity.
        worker: The process's name in it.

    Attributes:
        path: The file.

    Raises:
        OSError: no directory can be written and locked; without a journal nothing is made.
    """

    def __init__(self, run: str, worker: str) -> None:
        *others, last = runs_folders()
        for runs in others:
            with suppress(OSError):  # a home that is read-only, or on a network without locks
                self._open(runs / run, worker)
                return
        self._open(last / run, worker)

    def _open(self, folder: Path, worker: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path: Path = folder / f"{worker}-{os.getpid()}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            self.path.unlink()
            raise

    def note(self, event: str, name: str) -> None:
        """Append what happens, or is about to happen, to a sandbox."""
        line = json.dumps({"event": event, "name": name}) + "\n"
        os.write(self._file, line.encode())

    def close(self) -> None:
        """Let the file go, and remove it and the run's folder if nothing is left in them."""
        if not remaining(self.path):
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        with suppress(OSError):  # others of the run are still there
            self.path.parent.rmdir()


def journals(run: str, worker: str) -> list[Path]:
    """The journals of a run's worker; of all its processes where ``worker`` is empty."""
    pattern = f"{worker or '*'}-*.jsonl"
    return sorted(path for runs in runs_folders() for path in (runs / run).glob(pattern))


def remaining(path: Path) -> list[str]:
    """The sandboxes that a journal has made and not seen deleted, oldest first.

    A line that was cut short by a crash is passed over: what it was to tell had not begun.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    names: dict[str, None] = {}
    for line in lines[:-1]:  # the last ends without a newline: empty, or cut short
        entry = json.loads(line)
        if entry["event"] in (INTENDED, MADE):
            names[entry["name"]] = None
        elif entry["event"] == DELETED:
            names.pop(entry["name"], None)
    return list(names)


def is_alive(path: Path) -> bool:
    """Whether the process that writes a journal is still there."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
