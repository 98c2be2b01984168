"""Where the Router is not what one would expect; on by default, as on the real one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class Quirk:
    """One oddity: its name, the contract's section, what it does and what is done without it."""

    name: str
    section: str
    effect: str
    otherwise: str


QUIRKS = {
    quirk.name: quirk
    for quirk in (
        Quirk("rejected_create_is_500", "3.1", "A taken or impossible name is 500.", "409 or 422"),
        Quirk("omitted_kind_is_namespaced", "3.1", "No templateRef.kind: Error.", "the cluster's"),
        Quirk("empty_lists_are_null", "3.2", "No sandboxes, no templates: null.", "[]"),
        Quirk("ports_are_always_http", "3.8", "The list forgets the protocol.", "as posted"),
        Quirk("key_groups_are_null", "3.11", "With an API key groups is null.", "[]"),
    )
}


class Quirks:
    """Which quirks are on; all of them, unless one is switched off."""

    def __init__(self) -> None:
        self._off: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> bool:
        """Whether a quirk is on."""
        return QUIRKS[name].name not in self._off

    @contextmanager
    def off(self, *names: str) -> Generator[None, None, None]:
        """Answer without these quirks for a while.

        Raises:
            ValueError: there is no quirk of that name; the message lists those there are.
        """
        unknown = set(names) - set(QUIRKS)
        if unknown:
            listed = ", ".join(sorted(unknown))
            raise ValueError(f"no quirk {listed}; there are {', '.join(sorted(QUIRKS))}")
        before, self._off = self._off, self._off | set(names)
        try:
            yield
        finally:
            self._off = before
