"""The engines behind one door: scripted answers first, then the first kind that works here."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from . import Engine, EngineUnavailable, ExecResult, ExecTransport, PodGone, PodSpec, engines_named
from .host import Node, PlaceFailed
from .node.orders import RUN
from .process import ClientGone, Process
from .sandbox import Sandbox
from .scripted import ExecRequest, Scripted
from .transports import HTTP_KEEPS, SPDY_KEEPS, client_left, http_refusal, over_http, over_spdy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..clock import FakeClock


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
        """Held for moments."""
        self._choosing = threading.Lock()
        """Held while engines are tried, which may take long."""
        self._sandboxes: dict[str, Sandbox] = {}
        self._made = 0
        self._choice: tuple[Engine, Node | None] | None = None
        self._closed = False
        self._process = os.getpid()

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
            PodFailed: a file or an init script of the pod failed.
            PodGone: the pod was stopped or deleted before the command began.
        """
        request = ExecRequest(spec.name, command, timeout, transport)
        sandbox = self._sandbox(spec)
        answer = self._scripted.answer(request, sandbox.address)
        if answer is not None:
            return answer
        _, node = self._chosen()
        if node is None:
            raise self._scripted.refuse(request)
        if transport == "http" and (refusal := http_refusal(command, timeout)) is not None:
            raise refusal
        try:
            place = sandbox.place(spec, node, disconnected)
        except ClientGone:
            raise client_left(transport, sandbox.address) from None
        keep = HTTP_KEEPS if transport == "http" else SPDY_KEEPS
        asked = RUN + command.encode("utf-8", "surrogateescape")
        try:
            with Process(place, asked, keep=keep, disconnected=disconnected) as process:
                if transport == "spdy":
                    return over_spdy(process)
                return over_http(process, timeout=timeout, address=sandbox.address)
        except PlaceFailed:  # the next command tries again
            sandbox.drop(place)
            raise

    def stop(self, uid: str) -> None:
        """Kill a sandbox's pod, and with it processes and ``/tmp``; its volume stays.

        Returns at once, also while the pod is being made.
        """
        if self._is_forked():
            return
        with self._lock:
            sandbox = self._sandboxes.get(uid)
        if sandbox is not None:
            sandbox.stop()

    def delete(self, uid: str) -> None:
        """Kill a sandbox's pod and remove its volume, without waiting for either."""
        if self._is_forked():
            return
        with self._lock:
            sandbox = self._sandboxes.pop(uid, None)
        choice = self._choice
        if sandbox is not None:
            sandbox.end(choice[1] if choice else None)

    def close(self) -> None:
        """End every pod, remove every volume, and wait until nothing of them is left.

        In a process forked from the one that made this, nothing is its own to end.
        """
        if self._is_forked():
            return
        with self._choosing:
            self._closed = True
            choice, self._choice = self._choice, None
        with self._lock:
            sandboxes, self._sandboxes = list(self._sandboxes.values()), {}
        for sandbox in sandboxes:
            sandbox.end()
        if choice is not None and choice[1] is not None:
            choice[1].close()

    def _sandbox(self, spec: PodSpec) -> Sandbox:
        with self._lock:
            if spec.ended():  # what is deleted shall not be kept again
                raise PodGone
            if spec.uid not in self._sandboxes:
                self._made += 1
                self._sandboxes[spec.uid] = Sandbox(self._made)
            return self._sandboxes[spec.uid]

    def _chosen(self) -> tuple[Engine, Node | None]:
        if self._is_forked():
            raise EngineUnavailable(
                "this process was forked from the one whose fake Router this is, and runs no"
                " commands in its pods: make a FakeRouter here"
            )
        with self._choosing:
            if self._closed:
                raise EngineUnavailable("the fake Router is closed: it runs no commands any more")
            if self._choice is None:
                self._choice = _first_that_works(self._engines)
            return self._choice

    def _is_forked(self) -> bool:
        return os.getpid() != self._process


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
