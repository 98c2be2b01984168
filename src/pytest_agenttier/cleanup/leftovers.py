"""Deletes what the journal of a dead process says is left; standard library only."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_agenttier.cleanup.journal import DELETED, is_alive, remaining

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_PARALLEL = 8
_TIMEOUT = 30.0


def delete_left(journal: Path, delete: Callable[[str], None]) -> dict[str, Exception]:
    """Delete all that the journal of a process says is left, unless the process still lives.

    Returns:
        For each sandbox that could not be deleted, why.
    """
    if is_alive(journal):
        return {}
    names = remaining(journal)
    failed: dict[str, Exception] = {}

    def attempt(name: str) -> None:
        try:
            delete(name)
        except Exception as error:  # one that fails must not keep the others
            failed[name] = error
        else:
            _note_deleted(journal, name)

    with ThreadPoolExecutor(_PARALLEL) as threads:
        list(threads.map(attempt, names))
    if not failed:
        journal.unlink(missing_ok=True)
        with suppress(OSError):  # others of the run are still there
            journal.parent.rmdir()
    return failed


def delete_until_none_is_left(path: str, url: str, grace: float, pauses: Sequence[float]) -> None:
    """Delete what is left after some seconds of grace, again after each pause where that failed."""
    journal = Path(path)
    for pause in (grace, *pauses):
        time.sleep(pause)
        if not delete_left(journal, lambda name: _delete(url, name)):
            return


def _note_deleted(journal: Path, name: str) -> None:
    with journal.open("a") as file:
        file.write(json.dumps({"event": DELETED, "name": name}) + "\n")


def _delete(url: str, name: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - http or https, as the settings have checked
        f"{url}/api/v1/sandboxes/{quote(name, safe='')}", method="DELETE", headers=_credential()
    )
    try:
        urllib.request.urlopen(request, timeout=_TIMEOUT).close()  # noqa: S310 - see above
    except urllib.error.HTTPError as error:
        with error:
            gone = is_gone(error.code, error.read())
        if not gone:
            raise


def is_gone(status: int, body: bytes) -> bool:
    """Whether a refused delete has nothing left to delete; a proxy's own 404 says nothing of it.

    The loser of two deletes that race gets a 500 (contract 3.4).
    """
    said = {
        404: rb'\{"error":"(sandbox .* not found|access denied to sandbox .*)"\}\s*',
        500: rb'\{"error":"failed to delete sandbox: .* not found"\}\s*',
    }
    return status in said and re.fullmatch(said[status], body) is not None


def _credential() -> dict[str, str]:
    """As the client finds it: key, token, service account, none."""
    if key := os.environ.get("AGENTTIER_API_KEY"):
        return {"X-API-Key": key}
    token = os.environ.get("AGENTTIER_TOKEN")
    if not token:
        with suppress(OSError):  # not in a cluster
            token = _SERVICE_ACCOUNT.read_text().strip()
    return {"Authorization": f"Bearer {token}"} if token else {}
