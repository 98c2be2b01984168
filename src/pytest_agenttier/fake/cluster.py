"""What stands behind a Router: sandboxes, users, time, and the node that runs commands."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .auth import Caller, Credentials
from .clock import FakeClock
from .go.decoding import Field, Struct, decode
from .go.encoding import encode
from .state import State
from .templates import SPEC, stored_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .engines import Runtime
    from .engines.scripted import Scripted

_SPEC_BODY = Struct("", (Field("spec", SPEC),))


class Cluster:
    """What Routers in front of the same cluster share: sandboxes, users, time, the node.

    Args:
        exec: engines in order of preference, as for `FakeRouter`.
        templates: specs by name, as they would be posted.
    """

    def __init__(self, exec: str | Sequence[str], templates: Mapping[str, Any]) -> None:  # noqa: A002 - the Router's word for it
        from .engines.scripted import Scripted

        self.clock = FakeClock()
        self.credentials = Credentials(self.clock)
        self.state = State(self.clock, on_stop=self._stop, on_delete=self._delete)
        self.scripted: Scripted = Scripted(self.clock)
        self.users: dict[str, Caller] = {}
        self._engines = (exec,) if isinstance(exec, str) else tuple(exec)
        self._runtime: Runtime | None = None
        self._lock = threading.Lock()
        for name, spec in templates.items():
            self.add_template(name, spec)

    def add_template(self, name: str, spec: Mapping[str, Any]) -> None:
        """Store a template from a spec as it would be posted."""
        values = decode(encode({"spec": spec}).encode(), _SPEC_BODY)
        self.state.add_template(name, stored_spec(values.struct("spec")))

    def runtime(self) -> Runtime:
        """The node that runs commands, made when a command first needs it."""
        with self._lock:
            if self._runtime is None:
                from .engines.runtime import NodeRuntime

                self._runtime = NodeRuntime(self._engines, clock=self.clock, scripted=self.scripted)
            return self._runtime

    def close(self) -> None:
        """End every pod and remove every volume."""
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    # A node that no command has needed has nothing to stop or to remove.

    def _stop(self, uid: str) -> None:
        if self._runtime is not None:
            self._runtime.stop(uid)

    def _delete(self, uid: str) -> None:
        if self._runtime is not None:
            self._runtime.delete(uid)
