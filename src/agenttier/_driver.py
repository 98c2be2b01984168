"""The two drivers, synchronous and asynchronous: they take flows through their steps.

What carries an operation to the Router and brings its answer is a ``Wire``; ``_http`` makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from agenttier._operation import Answer, Flow, Operation, Sleep, Step
from agenttier.clock import Clock, SystemClock
from agenttier.exceptions import AgentTierError, ClientClosedError
from agenttier.retry import retrying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agenttier.retry import RetryConfig

T = TypeVar("T")

# What a look whose deadline is near may still take; without it the last look could not succeed.
_LEAST_PATIENCE = 1.0


class Wire(Protocol):
    """Carries operations to a Router."""

    @property
    def address(self) -> str:
        """The Router's."""
        ...

    def send(self, operation: Operation[Any], patience: float | None) -> Answer:
        """Send an operation once; the whole takes ``patience`` seconds at most, if there is one.

        Raises:
            AgentTierError: No answer came.
        """
        ...

    def close(self) -> None:
        """Close the connections; closing again is fine."""
        ...


class AsyncWire(Protocol):
    """Carries operations to a Router."""

    @property
    def address(self) -> str:
        """The Router's."""
        ...

    async def send(self, operation: Operation[Any], patience: float | None) -> Answer:
        """Send an operation once; the whole takes ``patience`` seconds at most, if there is one."""
        ...

    def close(self) -> Awaitable[None]:
        """Close the connections; closing again is fine."""
        ...


class Driver:
    """Sends operations and runs flows, synchronously; safe to share between threads."""

    def __init__(self, wire: Wire, clock: Clock, retry: RetryConfig | None = None) -> None:
        self.address: str = wire.address
        self._wire = wire
        self._clock = clock
        self._retry = retry
        self._closed = False

    def send(self, operation: Operation[T]) -> T:
        """Send an operation, again where that is safe, and return its result."""
        return self._drive(retrying(operation, self._retry), self._attempt)

    def run(self, flow: Flow[T]) -> T:
        """Take a flow through its steps, and return its result."""
        return self._drive(flow, self.send)

    def close(self) -> None:
        """Close the connections; closing again is fine."""
        self._closed = True
        self._wire.close()

    def _drive(self, flow: Flow[T], perform: Callable[[Operation[Any]], Any]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = self._take(step, perform)
                except AgentTierError as error:  # noqa: PERF203 (each step can fail)
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def _take(self, step: Step, perform: Callable[[Operation[Any]], Any]) -> Any:
        if isinstance(step, Operation):
            return perform(step)
        if isinstance(step, Sleep):
            return self._clock.sleep(step.seconds)
        return self._clock.now()

    def _attempt(self, operation: Operation[T]) -> T:
        if self._closed:
            raise ClientClosedError("this client has been closed")
        return operation.result(self._wire.send(operation, _patience(operation, self._clock)))


class AsyncDriver:
    """Sends operations and runs flows, on asyncio and trio alike."""

    def __init__(self, wire: AsyncWire, clock: Clock, retry: RetryConfig | None = None) -> None:
        self.address: str = wire.address
        self._wire = wire
        self._clock = clock
        self._retry = retry
        self._closed = False

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation, again where that is safe, and return its result."""
        return await self._drive(retrying(operation, self._retry), self._attempt)

    async def run(self, flow: Flow[T]) -> T:
        """Take a flow through its steps, and return its result."""
        return await self._drive(flow, self.send)

    async def close(self) -> None:
        """Close the connections; closing again is fine."""
        self._closed = True
        await self._wire.close()

    async def _drive(self, flow: Flow[T], perform: Callable[[Operation[Any]], Awaitable[Any]]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = await self._take(step, perform)
                except AgentTierError as error:  # noqa: PERF203 (each step can fail)
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _take(self, step: Step, perform: Callable[[Operation[Any]], Awaitable[Any]]) -> Any:
        if isinstance(step, Operation):
            return await perform(step)
        if isinstance(step, Sleep):
            return await self._clock.sleep_async(step.seconds)
        return self._clock.now()

    async def _attempt(self, operation: Operation[T]) -> T:
        if self._closed:
            raise ClientClosedError("this client has been closed")
        patience = _patience(operation, self._clock)
        return operation.result(await self._wire.send(operation, patience))


def _patience(operation: Operation[Any], clock: Clock) -> float | None:
    """Seconds that a call with a deadline may take as a whole.

    Where time is not real there is no need: what answers in process is not late.
    """
    if operation.deadline is None or not isinstance(clock, SystemClock):
        return None
    return max(round(operation.deadline - clock.now(), 3), _LEAST_PATIENCE)
