"""What the node keeps of a sandbox: its volume, and its place while it has one."""

from __future__ import annotations

import logging
import os
import posixpath
import threading
from typing import TYPE_CHECKING

from . import EngineUnavailable, PodFailed, PodGone
from .node.orders import SET_UP, Order, Setup
from .process import Ended, Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import PodSpec
    from .host import Node, Place

_log = logging.getLogger(__name__)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOME = "/home/sandbox"
_LONGEST_HOSTNAME = 63  # Kubernetes cuts the pod's name
_SETUP_KEEPS = 4096  # bytes of what a failing init script wrote, for the log


class Sandbox:
    """A sandbox on the node. Thread-safe; what ends a place never waits for what makes one."""

    def __init__(self, number: int) -> None:
        self.volume: str = str(number)
        self.address: str = f"10.42.{number // 250 % 250}.{number % 250 + 2}"
        """The pod's IP, as error texts show it; nothing listens there."""
        self._starting = threading.Lock()
        """Held while a place is made, which may take as long as its init scripts."""
        self._lock = threading.Lock()
        """Held for moments."""
        self._place: Place | None = None
        self._ended = False

    def place(self, spec: PodSpec, node: Node, disconnected: Callable[[], bool]) -> Place:
        """The place to run a command in, made and set up where there is none.

        Raises:
            EngineUnavailable: it cannot be made.
            PodFailed: it cannot be set up as the template wants.
            PodGone: the pod, or the sandbox, has ended.
            ClientGone: nobody waits for it any more.
        """
        with self._starting:
            if self._ended or spec.ended():
                raise PodGone
            return self._place or self._start(spec, node, disconnected)

    def stop(self) -> None:
        """End the place, if there is one; the volume stays. Returns at once."""
        with self._lock:
            place, self._place = self._place, None
        if place is not None:
            place.kill()

    def drop(self, place: Place) -> None:
        """Have the next command begin in another place than this one."""
        with self._lock:
            if self._place is place:
                self._place = None
        place.kill()

    def end(self, node: Node | None = None) -> None:
        """End it for good; given the node, have the volume removed. Returns at once."""
        self._ended = True
        self.stop()
        if node is not None:
            node.delete(self.volume)

    def _start(self, spec: PodSpec, node: Node, disconnected: Callable[[], bool]) -> Place:
        place = node.start(self._order(spec, node))
        with self._lock:
            ended = self._ended or spec.ended()
            if not ended:
                self._place = place
        if ended:  # while it was being made
            place.kill()
            if self._ended:
                node.delete(self.volume)
            raise PodGone
        if spec.files or spec.init_scripts:
            try:
                self._set_up(place, spec, node, disconnected)
            except BaseException:
                self.drop(place)
                raise
        return place

    def _order(self, spec: PodSpec, node: Node) -> Order:
        environment = {"HOME": _HOME, "PATH": _PATH}  # what an image sets (contract 5.2)
        workdir = spec.workdir
        if node.kind == "subprocess":  # there is no image, but a directory
            home = os.fspath(node.directory / self.volume)
            environment = {"HOME": home, "PATH": os.environ.get("PATH", _PATH)}
            workdir = posixpath.join(home, _inside(spec, workdir) or "")
        return Order(
            self.volume,
            f"{spec.name}-pod"[:_LONGEST_HOSTNAME].rstrip("-."),
            _encoded(spec.mount),
            _encoded(workdir),
            {_encoded(key): _encoded(value) for key, value in {**environment, **spec.env}.items()},
        )

    def _set_up(
        self, place: Place, spec: PodSpec, node: Node, disconnected: Callable[[], bool]
    ) -> None:
        """Have files and init scripts of the template applied (contract 4.5)."""
        setup = Setup(
            [
                (_encoded(self._path(path, spec, node)), _encoded(content), mode)
                for path, content, mode in spec.files
            ],
            [_encoded(script) for script in spec.init_scripts],
        )
        request = SET_UP + setup.packed()
        with Process(place, request, keep=_SETUP_KEEPS, disconnected=disconnected) as process:
            process.wait_for_end()
            process.wait_for_streams()
        if process.ended == Ended():
            raise PodGone
        if process.ended != Ended(status=0):
            said = process.stderr.kept.decode(errors="replace").strip() or "without a word"
            _log.warning("sandbox %s: files or initScripts failed: %s", spec.name, said)
            raise PodFailed(said)

    def _path(self, path: str, spec: PodSpec, node: Node) -> str:
        if node.kind == "pod":
            return posixpath.join("/", path)
        inside = _inside(spec, path)
        if inside is None:
            raise EngineUnavailable(
                f"sandbox {spec.name}: a subprocess has no files of its own but those below"
                f" {spec.mount}, and its template has {path}; pods have: agenttier_exec = pod"
            )
        return os.fspath(node.directory / self.volume / inside)


def _inside(spec: PodSpec, path: str) -> str | None:
    """A path of the template seen from where the volume is mounted; None if it is not in it."""
    mount, wanted = (posixpath.normpath(posixpath.join("/", each)) for each in (spec.mount, path))
    inside = posixpath.relpath(wanted, mount)
    return None if inside == ".." or inside.startswith("../") else inside


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
