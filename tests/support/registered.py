"""Ids that exist during one test."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gymnasium

from gym_llm.registration import EnvInfo, register, table


@contextlib.contextmanager
def registered(env_id: str, env: str, **values: Any) -> Iterator[EnvInfo]:
    """Register ``module:Class`` under an id, and take it out again."""
    settled = {"domain": "other", "kind": "tools", "summary": "", "licence": "", **values}
    info = EnvInfo(id=env_id, env=env, **settled)
    register([info])
    try:
        yield info
    finally:
        table.pop(env_id)
        gymnasium.registry.pop(env_id)
