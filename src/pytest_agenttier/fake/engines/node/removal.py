"""How a directory goes, whatever commands have made of it; for the node and for its host."""

from __future__ import annotations

import os

_REMOVE = 'rm -rf -- "$0" 2>/dev/null || { chmod -R u+rwx -- "$0"; rm -rf -- "$0"; }'


def begin_to_remove(directory: str) -> int | None:
    """Remove a directory, whatever the modes in it; an empty one is gone at once.

    Returns:
        The process that removes it, to be waited for; None if there was nothing in it.
    """
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return None
    except OSError:  # it is not empty, or may not be looked into
        shell = ["/bin/sh", "-c", _REMOVE, directory]
        return os.posix_spawn(shell[0], shell, {"PATH": "/usr/bin:/bin"})
    return None
