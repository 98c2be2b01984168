"""What this process makes on its Router, from before each create until its delete is accepted.

The books go between the clients and their calls: a create and a delete are flows (see
``agenttier._operation``), so that one wrapper serves both colours.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import TYPE_CHECKING

from agenttier import AgentTierClient, AgentTierError, AsyncAgentTierClient, NotFoundError
from agenttier._resources import sandboxes
from pytest_agenttier.cleanup import janitor
from pytest_agenttier.cleanup.journal import Journal, journals
from pytest_agenttier.cleanup.leftovers import delete_left
from pytest_agenttier.cleanup.terminator import Terminator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agenttier import SandboxSummary
    from agenttier._operation import Flow
    from agenttier._resources.sandboxes import NewSandbox
    from pytest_agenttier.naming import Namer


class Books:
    """Names what is made without a name, and deletes what is left.

    Args:
        namer: Makes this process's names.
        client: Gives the client that deletes.
        url: The live Router, where a journal and a janitor outlive this process; None for the
            fake, which dies with it.
    """

    def __init__(
        self, namer: Namer, client: Callable[[], AgentTierClient], *, url: str | None
    ) -> None:
        self._namer = namer
        self._client = client
        self._url = url
        self._terminator = Terminator(self._delete, self._note)
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._janitor = -1

    def keep(self, client: AgentTierClient | AsyncAgentTierClient) -> None:
        """Book what this client makes and deletes."""
        # One distribution: the client leaves these open for the plugin.
        client._creation = self._creation  # pyright: ignore[reportPrivateUsage]  # see above
        client._termination = self._termination  # pyright: ignore[reportPrivateUsage]  # see above

    def new_name(self) -> str:
        """A name that will be deleted, however far the create of its sandbox gets."""
        name = self._namer.next()
        self._terminator.intend(name)
        return name

    def terminate(self, name: str) -> None:
        """Delete one sandbox now, if that is still to be done.

        Raises:
            AgentTierError: it could not be deleted; ``finish`` tries again.
        """
        self._terminator.terminate(name)

    def finish(self) -> None:
        """Delete all that remains.

        Raises:
            RuntimeError: some may be left; the message has the line that deletes them.
        """
        left = {name: str(error) for name, error in self._terminator.finish().items()}
        for name in self._terminator.unsure:
            if (found := self._look(name)) is not None:
                left[name] = f"its create was not answered, and there is one of that name ({found})"
        _report(left)

    def bury(self, worker: str) -> None:
        """Delete what the dead processes of a worker left; of all workers where it is empty.

        Raises:
            RuntimeError: some may be left; the message has the line that deletes them.
        """
        left: dict[str, str] = {}
        for path in journals(self._namer.run, worker):
            failed = delete_left(path, self._delete)
            left |= {name: str(error) for name, error in failed.items()}
        _report(left)

    def close(self) -> None:
        """Let the journal go; what is left in it is the janitor's."""
        if self._journal is not None:
            self._journal.close()
            os.close(self._janitor)

    def _creation(self, new: NewSandbox) -> Flow[SandboxSummary]:
        """Create a sandbox for one of the clients, and book it.

        A name of ours is deleted however far its create got; one that a test chose only once it
        was made, since before that it may be somebody else's.
        """
        name = self.new_name() if new.name is None else new.name
        new = dataclasses.replace(new, name=name)
        if name in self._terminator.remaining:
            return sandboxes.created(sandboxes.create_sandbox(new), name_is_ours=True)
        return self._attempted(sandboxes.creation(new), name)

    def _attempted(self, creation: Flow[SandboxSummary], name: str) -> Flow[SandboxSummary]:
        self._terminator.attempt(name)  # a test that is cancelled leaves it at that
        try:
            summary = yield from creation
        except AgentTierError as error:
            if not error.maybe_done:
                self._terminator.settle(name, made=False)
            raise
        self._terminator.settle(name, made=True)
        return summary

    def _termination(self, sandbox_id: str, *, missing_ok: bool) -> Flow[None]:
        """Delete a sandbox for a handle, and take it out of the books: it is no longer ours."""
        yield from sandboxes.terminate_sandbox(sandbox_id, missing_ok=missing_ok)
        self._terminator.forget(sandbox_id)

    def _note(self, event: str, name: str) -> None:
        if self._url is None:
            return
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self._namer.run, self._namer.worker)
                self._janitor = janitor.start(str(self._journal.path), self._url)
            self._journal.note(event, name)

    def _delete(self, name: str) -> None:
        self._client().sandbox(name).terminate(missing_ok=True)

    def _look(self, name: str) -> str | None:
        try:
            summary = self._client().sandbox(name).status()
        except NotFoundError:
            return None
        except AgentTierError as error:
            return str(error)
        return f"{summary.status}, made {summary.created_at}"


def _report(left: Mapping[str, str]) -> None:
    if left:
        raise RuntimeError(
            "\n".join(
                [
                    f"agenttier: {len(left)} sandboxes may be left:",
                    *(f"  {name}: {why}" for name, why in left.items()),
                    "  By hand: AgentTierClient.from_env().sandbox(name).terminate()",
                ]
            )
        )
