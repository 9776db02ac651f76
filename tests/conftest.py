"""Fixtures that many tests share."""

from typing import Any

import pytest

import gym_llm  # noqa: F401


@pytest.fixture(scope="session")
def judge() -> dict[str, Any]:
    """Configuration of a judge for tests that do not look at its verdicts."""
    return {"base_url": "http://127.0.0.1:9/v1", "model": "nobody"}
