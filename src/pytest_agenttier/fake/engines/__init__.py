"""How commands of a sandbox run: in a pod, as a subprocess, or from a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Engine = Literal["pod", "subprocess", "scripted"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

ExecTransport = Literal["http", "spdy"]
"""Which of the Router's two ways to a pod carries a command (contract 5.1)."""


class ExecFailed(Exception):  # noqa: N818 - the Router's own words: "exec failed: …"
    """The Router could not get an answer out of the pod; the text follows ``exec failed:``."""


class EngineUnavailable(Exception):  # noqa: N818 - what it says is the state of things
    """No engine can run a command here; the text says why, and which line changes that.

    It is no answer that a Router could give, so no handler turns it into one.
    """


def engines_named(text: str | Sequence[str]) -> tuple[Engine, ...]:
    """The engines that a text names, in its order: ``"pod, subprocess"``, or one text each.

    Raises:
        ValueError: there is no engine of that name, or none is named.
    """
    texts = (text,) if isinstance(text, str) else text
    names = [name.strip() for each in texts for name in each.split(",")]
    engines: tuple[Engine, ...] = tuple([_engine(name) for name in names if name])
    if not engines:
        raise ValueError(f"no engine is named; there are: {', '.join(ENGINES)}")
    return engines


def _engine(name: str) -> Engine:
    for engine in ENGINES:
        if engine == name:
            return engine
    raise ValueError(f"unknown engine {name!r}; there are: {', '.join(ENGINES)}")


class PodGone(Exception):  # noqa: N818 - a state, not a mistake
    """The pod for which a command was meant has ended before the command began."""


class PodFailed(Exception):  # noqa: N818 - the contract's word for it
    """A pod did not come up, as its template has it do what cannot be done (contract 4.3)."""


class PodFile(NamedTuple):
    """A file that a template puts into its pods."""

    path: str
    content: str
    mode: int = 0o644


def _goes_on() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PodSpec:
    """What a sandbox's pod is made from."""

    uid: str
    """Unique for the life of the sandbox object; its volume is kept under it."""
    name: str
    """The sandbox's name, for messages and scripted answers."""
    workdir: str = "/workspace"
    mount: str = "/workspace"
    """Where the volume is seen."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Sequence[PodFile] = ()
    init_scripts: Sequence[str] = ()
    """Run by ``/bin/sh`` in order, after the files are there and before the first command."""
    ended: Callable[[], bool] = _goes_on
    """Whether this pod has been stopped or deleted: then no command begins in it any more."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command left behind, capped and marked as its transport does (contract 5.1)."""

    stdout: bytes
    stderr: bytes
    exit_code: int


class Runtime(Protocol):
    """The node below the Router: volumes, pods, and the commands in them. Thread-safe."""

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
            EngineUnavailable: nothing here can run commands, or no scripted answer fits.
            PodFailed: a file or an init script of the pod failed.
            PodGone: the pod was stopped or deleted before the command began.
        """
        ...

    def stop(self, uid: str) -> None:
        """Kill a sandbox's pod, and with it processes and ``/tmp``; its volume stays.

        Returns at once, also while the pod is being made.
        """
        ...

    def delete(self, uid: str) -> None:
        """Kill a sandbox's pod and remove its volume. Returns at once; nothing is left at close."""
        ...

    def close(self) -> None:
        """End every pod and remove every volume."""
        ...
