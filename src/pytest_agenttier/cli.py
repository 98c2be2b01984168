"""The command ``pytest-agenttier``: the fake Router for other processes and other languages."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.engines import engines_named
from pytest_agenttier.fake.releases import RELEASES
from pytest_agenttier.fake.server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType

    from pytest_agenttier.fake.wire import Request, Response

_SERVE = """\
Serve a fake Router on 127.0.0.1 until interrupted. It prints what a client needs:

  AGENTTIER_API_URL=http://127.0.0.1:PORT
  AGENTTIER_API_KEY=atk_...

The key is that of an ordinary user. Every answer is logged on standard error, a line each: method,
path, status. Nothing is kept when it ends.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Raises:
        SystemExit: help was asked for (0), or the arguments cannot be used (2).
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
    options = parser.parse_args(arguments)
    try:
        _serve(options)
    except OSError as error:
        serve.error(f"port {options.port} cannot be had: {error.strerror}")
    return 0


def _serve(options: argparse.Namespace) -> None:
    with (
        _interruption() as interrupted,
        FakeRouter(release=options.release, exec=options.exec, dev_auth=options.dev_auth) as router,
        LoopbackServer(_Logged(router), options.port) as server,
    ):
        sys.stdout.write(f"AGENTTIER_API_URL={server.url}\n")
        if not options.dev_auth:
            sys.stdout.write(f"AGENTTIER_API_KEY={router.api_key}\n")
        sys.stdout.flush()
        interrupted.recv(1)


class _Logged:
    """A router that logs what it answers."""

    def __init__(self, router: FakeRouter) -> None:
        self.clock = router.clock
        self._router = router

    def handle(self, request: Request) -> Response:
        """Answer a request, and say so."""
        response = self._router.handle(request)
        path = request.target.partition("?")[0]  # a query may hold a token
        sys.stderr.write(f"{request.method} {path} {response.status}\n")
        sys.stderr.flush()
        return response


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
