"""What CI runs, by the same names: ``nox -s tests``, ``nox -s lint types imports``."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "imports", "tests"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """The requirements of a dependency group."""
    return nox.project.dependency_groups(PROJECT, name)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the suite against the built wheel, on each Python there is."""
    session.install(*group("test"), ".")
    session.run("pytest", *(session.posargs or ["-n", "2"]))


@nox.session(python="3.14")
def tests_next(session: nox.Session) -> None:
    """The suite on a Python that is not promised yet."""
    session.install(*group("test"), ".")
    session.run("pytest", *(session.posargs or ["-n", "2"]))


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The suite with the oldest releases of the dependencies that are promised."""
    promised = [each.split(";")[0] for each in PROJECT["project"]["dependencies"]]
    session.install(*group("test"), ".", *(each.replace(">=", "==") for each in promised))
    session.run("pytest", *(session.posargs or ["-n", "2"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common mistakes."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, and a public surface that is typed whole."""
    session.install(*group("types"), *group("test"), ".")
    session.run("mypy")
    session.run("pyright")
    for package in ("agenttier", "pytest_agenttier"):
        session.run("pyright", "--ignoreexternal", "--verifytypes", package)


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom (docs/architecture.md)."""
    session.install(*group("imports"), ".")
    session.run("lint-imports")


@nox.session
def coverage(session: nox.Session) -> None:
    """Branch coverage; pytest-cov would look only after plugins are imported."""
    session.install(*group("test"), "coverage>=7.6", ".")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Print the table that claims of speed rest on."""
    session.install("pytest-httpx", "respx", ".")
    session.run("python", "-m", "benchmarks", *session.posargs)
