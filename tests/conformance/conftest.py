"""Prints the table of replayed rollouts at the end of a test run."""

from typing import Any

import pytest

COUNTS: dict[str, list[int]] = {}
"""Id to how many recorded rollouts were replayed, had equal rewards, differ on purpose."""


@pytest.fixture(scope="session")
def counts() -> dict[str, list[int]]:
    return COUNTS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not COUNTS:
        return
    terminalreporter.section("recorded rollouts of NeMo Gym")
    head = ("environment", "replayed", "equal", "different on purpose")
    terminalreporter.line("{:40}{:>9}{:>7}{:>22}".format(*head))
    for name, row in sorted(COUNTS.items()):
        terminalreporter.line("{:40}{:9}{:7}{:22}".format(name, *row))
    total = [sum(column) for column in zip(*COUNTS.values(), strict=True)]
    terminalreporter.line("{:40}{:9}{:7}{:22}".format("all", *total))
