"""What a test may say of its sandbox, and in which order it counts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    import pytest

    from pytest_agenttier.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """How a sandbox is made; what is None is left to whoever stands behind.

    The same names are the keys of ``@pytest.mark.agenttier(...)``, the arguments of
    ``sandbox_factory(...)`` and of the fixture ``agenttier_sandbox_options``.
    """

    template: str | None = None
    """Name of the template."""
    namespace: str | None = None
    """Kubernetes namespace."""
    timeout: str | timedelta | None = None
    """The sandbox stops this long after it became Running: ``"30m"`` or a timedelta."""
    idle_timeout: str | timedelta | None = None
    """As ``timeout``; on the Router, commands do not push it back (contract 4.4)."""
    storage_size: str | None = None
    """Size of ``/workspace``: ``"10Gi"``."""
    wait_timeout: float | None = None
    """Seconds until it must be Running."""

    def over(self, behind: SandboxOptions) -> SandboxOptions:
        """These options, completed by those ``behind`` them."""
        return dataclasses.replace(behind, **self.given())

    def given(self) -> dict[str, Any]:  # each field's own type
        """The fields that are not None."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        """A readable test id: the template, then what else was given."""
        rest = {name: value for name, value in self.given().items() if name != "template"}
        words = [f"{name}={value}" for name, value in rest.items()]
        return ",".join([self.template, *words] if self.template else words) or "defaults"


KEYS = tuple(field.name for field in dataclasses.fields(SandboxOptions))


def from_marker(mark: pytest.Mark) -> SandboxOptions:
    """The options of one ``@pytest.mark.agenttier(...)``.

    Raises:
        ValueError: a key that does not exist, or a positional argument; it lists the valid keys.
    """
    if mark.args:
        raise ValueError(
            f"@pytest.mark.agenttier takes keywords only, not {mark.args[0]!r}: "
            f"@pytest.mark.agenttier(template={mark.args[0]!r})"
        )
    unknown = [key for key in mark.kwargs if key not in KEYS]
    if unknown:
        raise ValueError(
            f"@pytest.mark.agenttier has no key {unknown[0]!r}; there are: {', '.join(KEYS)}"
        )
    return SandboxOptions(**mark.kwargs)


def from_markers(node: pytest.Item | pytest.Collector) -> SandboxOptions:
    """The options of all markers on a test: the function's before the class's, the module's."""
    merged = SandboxOptions()
    for mark in node.iter_markers("agenttier"):
        merged = merged.over(from_marker(mark))
    return merged


def from_parameter(value: object) -> SandboxOptions:
    """The options of an indirect parameter: a template's name or a SandboxOptions.

    Raises:
        TypeError: neither of the two.
    """
    if isinstance(value, SandboxOptions):
        return value
    if isinstance(value, str):
        return SandboxOptions(template=value)
    raise TypeError(
        f"a sandbox is parametrized by a template's name or a SandboxOptions, not {value!r}"
    )


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Options of which nothing is left open that the plugin decides."""

    template: str
    namespace: str
    wait_timeout: float
    timeout: str | timedelta | None
    idle_timeout: str | timedelta | None
    storage_size: str | None


def completed(
    layers: Iterable[SandboxOptions], template: str, conftest: SandboxOptions, settings: Settings
) -> Complete:
    """What holds in the end: the layers, then this run's options, the conftest, the defaults.

    Options and environment were chosen for this run and so beat the conftest; ini and defaults
    stand behind it. Several templates are a parametrization, wherever they were named.
    """
    values: dict[str, tuple[Any, bool]] = {  # each field's own type; SandboxOptions declares them
        "template": (
            template,
            settings.template.explicit or len(settings.template.value) > 1,
        ),
        "namespace": (settings.namespace.value, settings.namespace.explicit),
        "wait_timeout": (settings.wait_timeout.value, settings.wait_timeout.explicit),
    }
    chosen = SandboxOptions(**{key: value for key, (value, explicit) in values.items() if explicit})
    behind = SandboxOptions(**{key: value for key, (value, _) in values.items()})
    merged = SandboxOptions()
    for layer in (*layers, chosen, conftest, behind):
        merged = merged.over(layer)
    return Complete(**{key: getattr(merged, key) for key in KEYS})
