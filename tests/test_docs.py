"""Every code block of the documentation is part of a file that runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agenttier import FakeRouter

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_code_block_is_part_of_an_example(block: str) -> None:
    """To the letter."""
    assert any(block in example.read_text() for example in EXAMPLES.glob("*.py"))


@pytest.mark.usefixtures("pods")
def test_the_examples_of_the_plugin_pass(tmp_path: Path) -> None:
    """As a reader runs them: in a folder of their own, offline, in pods."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)

    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            "-W",
            "error",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert "9 passed" in run.stdout


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize("script", ["client_sync", "client_async", "fake_alone"])
def test_an_example_script_prints_what_its_command_printed(script: str) -> None:
    """Against a Router whose address and key are in the environment."""
    with FakeRouter() as router:
        run = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / f"{script}.py"],
            env={
                **os.environ,
                "AGENTTIER_API_URL": router.url,
                "AGENTTIER_API_KEY": router.api_key,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert (run.returncode, run.stdout) == (0, "hello\n\n"), run.stderr


@pytest.mark.usefixtures("pods")
def test_the_example_of_a_conftest_does_what_it_says(pytester: pytest.Pytester) -> None:
    """Its template, its options, its wider sandbox."""
    shutil.copy(ROOT / "conftest_example.py", pytester.path / "conftest.py")
    pytester.makepyfile(
        """
        from pytest_agenttier import assert_exec

        def test_template(sandbox):
            assert sandbox.status().template_ref == "acme-build"
            assert_exec(sandbox, "echo $ACME_MODE", stdout="test\\n")

        def test_checkout(checkout):
            assert_exec(checkout, "cat src/main.py", stdout="print(42)\\n")
        """
    )

    pytester.runpytest_subprocess().assert_outcomes(passed=2)
