"""The engines behind one door: scripted answers first, then the first kind that works here."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import Engine, EngineUnavailable, ExecResult, ExecTransport, PodSpec, engines_named
from .host import Node, Place
from .process import Process
from .scripted import ExecRequest, Scripted
from .transports import HTTP_KEEPS, SPDY_KEEPS, over_http, over_spdy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..clock import FakeClock

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST_HOSTNAME = 63  # Kubernetes cuts the pod's name
_HOME = "/home/sandbox"


@dataclass(slots=True)
class _Sandbox:
    """What is kept of a sandbox: where its volume is, and its place while it has one."""

    number: int
    place: Place | None = None

    @property
    def volume(self) -> str:
        return str(self.number)

    @property
    def address(self) -> str:
        """The pod's IP, as error texts show it; nothing listens there."""
        return f"10.42.{self.number // 250 % 250}.{self.number % 250 + 2}"


class NodeRuntime:
    """Runs the commands of a fake Router's sandboxes.

    Nothing is started before the first command: which of the engines works here is tried then, in
    the given order.

    Args:
        engines: ``pod`` (isolated in Linux namespaces), ``subprocess`` (on this machine, in the
            sandbox's directory, **not isolated**: a command can do all that you can), ``scripted``
            (nothing is run; a command without an answer is an error).
        clock: What scripted delays move.
        scripted: The answers that come first, whatever the engine.

    Raises:
        ValueError: a name in ``engines`` is none, or there is none in it.
    """

    def __init__(
        self, engines: str | Sequence[str], *, clock: FakeClock, scripted: Scripted
    ) -> None:
        self._engines = engines_named(engines)
        self._clock = clock
        self._scripted = scripted
        self._lock = threading.Lock()
        self._sandboxes: dict[str, _Sandbox] = {}
        self._made = 0
        self._choice: tuple[Engine, Node | None] | None = None
        self._closed = False

    @property
    def engine(self) -> Engine:
        """The engine taken; tried out when first asked for.

        Raises:
            EngineUnavailable: none of the engines works here.
        """
        return self._chosen()[0]

    def exec(
        self,
        spec: PodSpec,
        command: str,
        *,
        timeout: int,
        transport: ExecTransport,
        disconnected: Callable[[], bool],
    ) -> ExecResult:
        """Run a command as its transport would; starts the pod where there is none.

        Raises:
            ExecFailed: the transport gives up, as after 5 s over HTTP.
            EngineUnavailable: nothing here can run commands.
            UnexpectedCommand: the engine is ``scripted``, and no answer fits.
        """
        request = ExecRequest(spec.name, command, timeout, transport)
        sandbox = self._sandbox(spec.uid)
        answer = self._scripted.answer(request, sandbox.address)
        if answer is not None:
            return answer
        _, node = self._chosen()
        if node is None:
            raise self._scripted.refuse(request)
        place = self._place(sandbox, spec, node)
        keep = HTTP_KEEPS if transport == "http" else SPDY_KEEPS
        encoded = command.encode("utf-8", "surrogateescape")
        try:
            with Process(place, encoded, keep=keep, disconnected=disconnected) as process:
                if transport == "spdy":
                    return over_spdy(process)
                return over_http(process, timeout=timeout, address=sandbox.address)
        except EngineUnavailable:  # its place did not come up: the next command tries again
            self.stop(spec.uid)
            raise

    def stop(self, uid: str) -> None:
        """Kill a sandbox's pod, and with it processes and ``/tmp``; its volume stays."""
        with self._lock:
            if (sandbox := self._sandboxes.get(uid)) is not None:
                _kill(sandbox)

    def delete(self, uid: str) -> None:
        """Kill a sandbox's pod and remove its volume, without waiting for either."""
        with self._lock:
            sandbox = self._sandboxes.pop(uid, None)
            node = self._choice[1] if self._choice else None
        if sandbox is not None:
            _kill(sandbox)
            if node is not None:
                node.delete(sandbox.volume)

    def close(self) -> None:
        """End every pod, remove every volume, and wait until nothing of them is left."""
        with self._lock:
            self._closed = True
            sandboxes, self._sandboxes = list(self._sandboxes.values()), {}
            node = self._choice[1] if self._choice else None
            self._choice = None
        for sandbox in sandboxes:
            _kill(sandbox)
        if node is not None:
            node.close()

    def _sandbox(self, uid: str) -> _Sandbox:
        with self._lock:
            if uid not in self._sandboxes:
                self._made += 1
                self._sandboxes[uid] = _Sandbox(self._made)
            return self._sandboxes[uid]

    def _place(self, sandbox: _Sandbox, spec: PodSpec, node: Node) -> Place:
        with self._lock:
            if sandbox.place is None:
                sandbox.place = node.start(
                    sandbox.volume,
                    hostname=f"{spec.name}-pod"[:_LONGEST_HOSTNAME].rstrip("-."),
                    workdir=spec.workdir,
                    env={**self._environment(sandbox, node), **spec.env},
                )
            return sandbox.place

    def _environment(self, sandbox: _Sandbox, node: Node) -> dict[str, str]:
        """What an image sets (contract 5.2); on the host there is no image, but a directory."""
        if self._choice and self._choice[0] == "subprocess":
            home = os.fspath(node.directory / sandbox.volume)
            return {"HOME": home, "PATH": os.environ.get("PATH", _PATH)}
        return {"HOME": _HOME, "PATH": _PATH}

    def _chosen(self) -> tuple[Engine, Node | None]:
        with self._lock:
            if self._closed:
                raise EngineUnavailable("the fake Router is closed: it runs no commands any more")
            if self._choice is None:
                self._choice = _first_that_works(self._engines)
            return self._choice


def _first_that_works(engines: Sequence[Engine]) -> tuple[Engine, Node | None]:
    refusals: list[str] = []
    for engine in engines:
        if engine == "scripted":
            return engine, None
        try:
            return engine, Node(engine)
        except EngineUnavailable as error:
            refusals.append(f"  {engine}: {error}")
    raise EngineUnavailable(
        "no engine can run commands here:\n" + "\n".join(refusals) + "\nOtherwise script the"
        ' answers: fake_router.exec.register("<command>", stdout="…"); or run commands on'
        ' this machine, without isolation: agenttier_exec = "pod, subprocess"'
    )


def _kill(sandbox: _Sandbox) -> None:
    if sandbox.place is not None:
        sandbox.place.kill()
        sandbox.place = None
