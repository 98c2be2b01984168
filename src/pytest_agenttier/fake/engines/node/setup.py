"""What init containers do in a real pod: files, then scripts, before the first command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from . import linux
from .children import kill_descendants

if TYPE_CHECKING:
    from collections.abc import Callable

    from .orders import Setup


def apply(setup: Setup, spawn: Callable[[bytes], int]) -> bool:
    """Write the files, run the scripts in order; False at the first one that fails.

    What the scripts leave running ends with them, as it does with an init container.
    """
    if sys.platform == "linux":
        linux.adopt_orphans()
    try:
        for path, content, mode in setup.files:
            _write(path, content, mode)
        return all(os.waitpid(spawn(script), 0)[1] == 0 for script in setup.scripts)
    finally:
        kill_descendants()


def _write(path: bytes, content: bytes, mode: int) -> None:
    if directory := os.path.dirname(path):
        os.makedirs(directory, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode & 0o7777)
