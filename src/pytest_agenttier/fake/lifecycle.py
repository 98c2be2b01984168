"""What may follow what: phases, operations, and the steps a controller takes (contract 4)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(str, Enum):
    """A sandbox's phase as the wire spells it; a new sandbox has none."""

    NEW = ""
    CREATING = "Creating"
    RUNNING = "Running"
    STOPPED = "Stopped"
    ERROR = "Error"


class Operation(str, Enum):
    """What is asked of a sandbox where its phase matters."""

    CREATE = "create"
    EXEC = "exec"
    STOP = "stop"
    RESUME = "resume"
    DELETE = "delete"


class Step(Enum):
    """What one look at a sandbox lets happen, before it is shown."""

    LAG = "nothing yet: what the call itself left is shown"
    ADOPT = "the controller takes it on: Creating, without names"
    PROVISION = "template resolved; pod and volume have names"
    START = "the pod is ready: Running"
    HALT = "the pod is gone: Stopped"
    FAIL = "the pod did not come up: Error"
    REMOVE = "the object is gone"


# An operation in a phase that is not here is refused, and the phase stays (contract 4.2).
#    phase           operation           what the following looks bring (contract 4.7)
TRANSITIONS: Mapping[tuple[Phase, Operation], tuple[Step, ...]] = {
    (Phase.NEW, Operation.CREATE): (Step.LAG, Step.ADOPT, Step.PROVISION, Step.START),
    (Phase.RUNNING, Operation.EXEC): (),
    (Phase.RUNNING, Operation.STOP): (Step.LAG, Step.HALT),
    (Phase.STOPPED, Operation.RESUME): (Step.LAG, Step.PROVISION, Step.START),
    (Phase.ERROR, Operation.RESUME): (Step.LAG, Step.PROVISION, Step.START),
    # Nothing holds an object that no controller has touched: it is gone at once (contract 3.4).
    (Phase.NEW, Operation.DELETE): (),
    (Phase.CREATING, Operation.DELETE): (Step.LAG, Step.REMOVE),
    (Phase.RUNNING, Operation.DELETE): (Step.LAG, Step.REMOVE),
    (Phase.STOPPED, Operation.DELETE): (Step.LAG, Step.REMOVE),
    (Phase.ERROR, Operation.DELETE): (Step.LAG, Step.REMOVE),
}
