"""What stands behind a Router: sandboxes, users, time, and the node that runs commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .auth import Credentials
from .clock import FakeClock
from .engines.runtime import NodeRuntime
from .engines.scripted import Scripted
from .go.decoding import Field, Struct, decode
from .go.encoding import encode
from .state import State
from .templates import SPEC, stored_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .auth import Caller

_SPEC_BODY = Struct("", (Field("spec", SPEC),))


class Cluster:
    """What Routers in front of the same cluster share: sandboxes, users, time, the node.

    Args:
        exec: engines in order of preference, as for `FakeRouter`.
        templates: specs by name, as they would be posted.
    """

    def __init__(self, exec: str | Sequence[str], templates: Mapping[str, Any]) -> None:  # noqa: A002 - the Router's word for it
        self.clock: FakeClock = FakeClock()
        self.credentials: Credentials = Credentials(self.clock)
        self.users: dict[str, Caller] = {}
        self.scripted: Scripted = Scripted(self.clock)
        # It starts nothing before the first command.
        self.runtime: NodeRuntime = NodeRuntime(exec, clock=self.clock, scripted=self.scripted)
        self.state: State = State(
            self.clock, on_stop=self.runtime.stop, on_delete=self.runtime.delete
        )
        for name, spec in templates.items():
            self.add_template(name, spec)

    def add_template(self, name: str, spec: Mapping[str, Any]) -> None:
        """Store a template from a spec as it would be posted."""
        values = decode(encode({"spec": spec}).encode(), _SPEC_BODY)
        self.state.add_template(name, stored_spec(values.struct("spec")))

    def close(self) -> None:
        """End every pod and remove every volume."""
        self.runtime.close()
