"""Fixtures that many tests share."""

from collections.abc import Iterator
from typing import Any

import pytest

import gym_llm  # noqa: F401
from tests.support.judge_server import ScriptedServer, judge_by_containment


@pytest.fixture(scope="session")
def judge() -> Iterator[dict[str, Any]]:
    """Configuration of a judge for tests that do not look at its verdicts: it wants the right answer in
    the candidate's text."""
    with ScriptedServer(judge_by_containment) as server:
        yield {"base_url": server.base_url, "model": server.model}


collect_ignore = ["support/tiny_models.py"]
"""A program that needs torch, which the tests themselves do not."""
