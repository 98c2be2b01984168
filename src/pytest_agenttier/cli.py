"""The command ``pytest-agenttier``: serve the fake to other programs, sweep up orphans."""

from __future__ import annotations

import argparse
import math
import os
import select
import signal
import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_agenttier.access_log import AccessLog
from pytest_agenttier.cleanup.sweep import DEFAULT_AGE, verdicts
from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.engines import engines_named
from pytest_agenttier.fake.releases import RELEASES
from pytest_agenttier.fake.server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType

    from pytest_agenttier.fake.server import Answered

_DRAIN = 30.0
"""Seconds that calls in flight have once serving ends (contract 1.1)."""

_SERVE = """\
Serve a fake Router on 127.0.0.1 until interrupted. It prints what a client needs:

  AGENTTIER_API_URL=http://127.0.0.1:PORT
  AGENTTIER_API_KEY=atk_...

The key is that of an ordinary user. Every answer is logged on standard error, a line each: method,
path, status, and what failed where something did; lines that nobody reads in time are dropped.
Nothing is kept when it ends.
"""

_SWEEP = """\
List the sandboxes of a Router and say of each whether it is an orphan of a test run, and why (not).
An orphan is named by this plugin, made by you, of a run that began long enough ago and that does
not go on on this machine. Nothing is deleted without --delete.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Raises:
        SystemExit: help was asked for (0), the arguments cannot be used (2), or the URL could
            not be printed (its text; exit code 1).
    """
    parser = argparse.ArgumentParser(
        prog="pytest-agenttier", description="Test against AgentTier sandboxes."
    )
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve a fake Router to other processes and languages",
        description=_SERVE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "--port", type=_port, default=0, help="port to listen on. Default: one that is free."
    )
    serve.add_argument(
        "--dev-auth",
        action="store_true",
        help="take every caller for the dev admin, whatever key it sends; no key is printed.",
    )
    serve.add_argument(
        "--release",
        choices=RELEASES,
        default="0.8.1",
        help="the Router's version to answer as. Default: %(default)s.",
    )
    serve.add_argument(
        "--exec",
        type=_engines,
        default="pod",
        metavar="ENGINES",
        help="how commands run: pod (Linux namespaces), subprocess (on this machine, not "
        "isolated), scripted; with commas, the first that works here. Default: pod.",
    )
    sweep = commands.add_parser(
        "sweep",
        help="find, and delete, sandboxes of runs whose machine is gone",
        description=_SWEEP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sweep.add_argument(
        "--url",
        default=os.environ.get("PYTEST_AGENTTIER_URL"),
        help="the Router; credentials: AGENTTIER_API_KEY or AGENTTIER_TOKEN in the environment. "
        "Default: PYTEST_AGENTTIER_URL.",
    )
    sweep.add_argument(
        "--older-than",
        type=_hours,
        default=DEFAULT_AGE,
        metavar="HOURS",
        help="hours since its run began, below which a sandbox stays. Default: 6.",
    )
    sweep.add_argument("--delete", action="store_true", help="delete the orphans; else only list.")
    options = parser.parse_args(arguments)
    if options.command == "sweep":
        return _sweep(options, sweep)
    _serve(options, serve)
    return 0


def _sweep(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from agenttier import AgentTierClient, AgentTierError

    if not options.url:
        parser.error("which Router? --url=https://agenttier.example")
    failures = 0
    try:
        with AgentTierClient(options.url) as client:
            for verdict in verdicts(client, now=time.time(), age=options.older_than):
                word = "orphan" if verdict.orphan else "keep"
                if verdict.orphan and options.delete:
                    try:
                        client.sandbox(verdict.name).terminate(missing_ok=True)
                        word = "deleted"
                    except AgentTierError as error:
                        failures += 1
                        verdict = verdict._replace(why=str(error))
                        word = "failed"
                sys.stdout.write(f"{word:8}{verdict.name}  {verdict.why}\n")
    except AgentTierError as error:
        parser.error(str(error))
    return 1 if failures else 0


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of hours")
    return hours * 3600


def _serve(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    with (
        AccessLog(_standard_error()) as log,
        _interruption() as interrupted,
        FakeRouter(release=options.release, exec=options.exec, dev_auth=options.dev_auth) as router,
        _server(router, options.port, log, parser) as server,
    ):
        printed = f"AGENTTIER_API_URL={server.url}\n"
        if not options.dev_auth:
            printed += f"AGENTTIER_API_KEY={router.api_key}\n"
        _print(printed)
        interrupted.recv(1)
        _drain(server, interrupted)


def _drain(server: LoopbackServer, interrupted: socket.socket) -> None:
    """Let calls in flight finish, as the Router does (contract 1.1); a second signal ends that."""
    server.retire()
    deadline = time.monotonic() + _DRAIN
    while server.busy and time.monotonic() < deadline:
        if select.select([interrupted], [], [], 0.02)[0]:
            return


def _server(
    router: FakeRouter, port: int, log: AccessLog, parser: argparse.ArgumentParser
) -> LoopbackServer:
    try:
        return LoopbackServer(
            router, port, on_answer=lambda answered: log.write(_log_line(answered))
        )
    except OSError as error:
        parser.error(f"port {port} cannot be had: {error.strerror}")


def _log_line(answered: Answered) -> str:
    path = answered.target.partition("?")[0]  # a query may hold a token
    line = f"{answered.method} {path} {answered.status}"
    if answered.failure is not None:
        text = str(answered.failure).partition("\n")[0]
        line += f" {type(answered.failure).__name__}: {text}"
    return line


def _print(text: str) -> None:
    if sys.stdout is None:
        raise SystemExit("pytest-agenttier serve: standard output is closed; the URL goes there")
    try:
        # Past the buffer: what stays in there fails once more at exit.
        os.write(sys.stdout.fileno(), text.encode())
    except OSError as error:
        raise SystemExit(
            f"pytest-agenttier serve: the URL cannot be printed: {error.strerror}"
        ) from None


def _standard_error() -> int:
    # Where it is closed, the next file to be opened would take its place.
    return os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()


@contextmanager
def _interruption() -> Generator[socket.socket]:
    """A socket on which a byte comes with SIGINT or SIGTERM, which end nothing by themselves."""
    receiver, sender = socket.socketpair()

    def notify(_number: int, _frame: FrameType | None) -> None:
        sender.send(b"\0")

    with receiver, sender:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, notify)
        yield receiver
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _engines(text: str) -> tuple[str, ...]:
    try:
        return engines_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
