"""Prices and what calls cost."""

from typing import Any

import pytest

from gym_llm.errors import ConfigError
from gym_llm.models import Prices, Usage


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param(Usage(1000, 100), 0.0035, id="plain"),
        pytest.param(Usage(1000, 100, None, 400), 0.003, id="cached-input"),
        pytest.param(Usage(1000, 100, 60, 5000), 0.00225, id="more-cached-than-sent"),
        pytest.param(Usage(1000, None), None, id="not-counted"),
    ],
)
def test_cost_of_a_call(usage: Usage, cost: float | None) -> None:
    assert Prices(2.5, 10.0, 1.25).cost(usage) == (None if cost is None else pytest.approx(cost))


def test_cached_input_costs_as_other_input_by_default() -> None:
    assert Prices(2.0, 10.0).cost(Usage(1000, 0, None, 400)) == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"input": 1}, "output is missing", id="missing"),
        pytest.param({"input": -1, "output": 1}, "input must be a number of 0 or more", id="negative"),
        pytest.param({"input": "1", "output": 1}, "input must be a number", id="text"),
        pytest.param({"input": float("nan"), "output": 1}, "input must be", id="nan"),
        pytest.param({"input": 1, "output": True}, "output must be a number", id="bool"),
        pytest.param({"inputs": 1, "output": 1}, "'inputs'; did you mean input", id="unknown"),
        pytest.param([1], "prices must be a dict", id="list"),
    ],
)
def test_bad_prices_are_refused(config: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Prices.from_config(config)
