"""The plugin's options as one frozen value. PYTEST_DONT_REWRITE.

One list of fields makes the command-line options, the ini keys and the environment names. A value
comes from the command line, else the environment, else the ini file, else the default; what a
test, a marker or a conftest says of its own sandbox goes on top in ``pytest_agenttier.options``.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

ENGINES = ("pod", "subprocess", "scripted")


def _one(values: list[str]) -> str:
    return values[-1].strip()


def _names(values: list[str]) -> tuple[str, ...]:
    names = [name.strip() for value in values for name in value.split(",")]
    chosen = tuple(dict.fromkeys(name for name in names if name))
    if not chosen:
        raise ValueError("a name is missing")
    return chosen


def _url(values: list[str]) -> str | None:
    url = _one(values)
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url!r} is not the URL of a Router; one looks like https://agenttier.example.com"
        )
    return url.rstrip("/").removesuffix("/api/v1").rstrip("/")


def _namespace(values: list[str]) -> str:
    namespace = _one(values)
    if not namespace:
        raise ValueError("a namespace cannot be empty")
    return namespace


def _seconds(values: list[str]) -> float:
    seconds = float(_one(values))
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"{seconds!r} is not a positive number of seconds")
    return seconds


def _engines(values: list[str]) -> tuple[str, ...]:
    engines = _names(values)
    unknown = [name for name in engines if name not in ENGINES]
    if unknown:
        raise ValueError(f"unknown engine {unknown[0]!r}; there are: {', '.join(ENGINES)}")
    return engines


def _sigterm(values: list[str]) -> bool:
    action = _one(values)
    if action not in ("interrupt", "default"):
        raise ValueError(f"{action!r} is neither interrupt nor default")
    return action == "interrupt"


class Field(NamedTuple):
    """One setting: ``--agenttier-<name>``, ``agenttier_<name>``, ``PYTEST_AGENTTIER_<NAME>``."""

    name: str
    ini_type: Literal["string", "args", "float"]
    parse: Callable[[list[str]], object]
    default: object
    metavar: str
    help: str

    @property
    def option(self) -> str:
        """The option on the command line."""
        return f"--agenttier-{self.name}"

    @property
    def ini(self) -> str:
        """The key in the configuration file; the option's destination too."""
        return f"agenttier_{self.name.replace('-', '_')}"

    @property
    def environment(self) -> str:
        """The environment variable."""
        return f"PYTEST_{self.ini.upper()}"


FIELDS = (
    Field(
        "url",
        "string",
        _url,
        None,
        "URL",
        "Run against the AgentTier Router at this URL; without one, against the offline fake. "
        "Credentials: AGENTTIER_API_KEY or AGENTTIER_TOKEN in the environment.",
    ),
    Field(
        "template",
        "args",
        _names,
        ("general-coding",),
        "NAME",
        "Template of sandboxes that name none. Several (repeated, or with commas) run each test "
        "once per template. Default: general-coding.",
    ),
    Field(
        "namespace",
        "string",
        _namespace,
        "default",
        "NAME",
        "Kubernetes namespace of the sandboxes. Default: default.",
    ),
    Field(
        "wait-timeout",
        "float",
        _seconds,
        120.0,
        "SECONDS",
        "How long a new sandbox may take until it is Running. Default: 120.",
    ),
    Field(
        "exec",
        "args",
        _engines,
        ("pod",),
        "ENGINES",
        "How the fake runs commands: pod (Linux namespaces), subprocess (on this machine, "
        "not isolated), scripted; with commas, the first that works here. Default: pod.",
    ),
    Field(
        "sigterm",
        "string",
        _sigterm,
        True,
        "ACTION",
        "What SIGTERM does to a live run: interrupt (as Ctrl-C does, so that sandboxes are "
        "deleted) or default. A handler that is there already stays. Default: interrupt.",
    ),
)


class Setting(Generic[T]):
    """A value and where it came from: ``option``, ``environment``, ``ini`` or ``default``."""

    __slots__ = ("source", "value")

    def __init__(self, value: T, source: str) -> None:
        self.value: T = value
        self.source: str = source

    @property
    def explicit(self) -> bool:
        """Chosen for this very run, so that it beats what a conftest says."""
        return self.source in ("option", "environment")


class Settings(NamedTuple):
    """Every option of the plugin, resolved once when pytest is configured."""

    url: Setting[str | None]
    template: Setting[tuple[str, ...]]
    namespace: Setting[str]
    wait_timeout: Setting[float]
    exec: Setting[tuple[str, ...]]
    sigterm: Setting[bool]


KEY = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare every field as an option and as an ini key."""
    group = parser.getgroup("agenttier", "AgentTier sandboxes (pytest-agenttier)")
    for field in FIELDS:
        group.addoption(
            field.option,
            action="append",
            dest=field.ini,
            metavar=field.metavar,
            help=f"{field.help} Also: ini {field.ini}, environment {field.environment}.",
        )
        parser.addini(field.ini, field.help, type=field.ini_type, default=None)


def resolve(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read every field: command line, else environment, else ini, else default.

    Raises:
        pytest.UsageError: a value that cannot be one; it names the source and what is valid.
    """
    values: dict[str, Any] = {}  # each field's own type; Settings declares them
    for field in FIELDS:
        given, source, where = _given(field, config, environ)
        if given is None:
            setting: Setting[object] = Setting(field.default, "default")
        else:
            try:
                setting = Setting(field.parse(given), source)
            except ValueError as error:
                raise pytest.UsageError(f"{where}: {error}") from None
        values[field.name.replace("-", "_")] = setting
    return Settings(**values)


def _given(
    field: Field, config: pytest.Config, environ: Mapping[str, str]
) -> tuple[list[str] | None, str, str]:
    option: list[str] | None = config.getoption(field.ini)
    if option is not None:
        return option, "option", field.option
    # An empty variable is what CI systems leave where nothing was set.
    if environ.get(field.environment):
        return [environ[field.environment]], "environment", field.environment
    ini: str | float | list[str] | None = config.getini(field.ini)
    if ini is not None:
        return ini if isinstance(ini, list) else [str(ini)], "ini", f"ini {field.ini}"
    return None, "default", ""
