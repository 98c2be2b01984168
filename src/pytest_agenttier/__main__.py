"""``python -m pytest_agenttier``: the command, where its script is not on the PATH."""

from pytest_agenttier.cli import main

raise SystemExit(main())
