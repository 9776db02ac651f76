"""What a call costs, from a price table that the user gives; prices change, so none are built in."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.models.wire import Usage


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens, in any one currency.

    >>> Prices(input=2.5, output=10.0, cached_input=1.25).cost(Usage(1_000_000, 100_000, None, 400_000))
    3.0
    """

    input: float
    output: float
    """Reasoning tokens included, which servers count as output."""
    cached_input: float | None = None
    """Of input tokens that the server had cached; None: they cost what the others do."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Prices":
        """Read a table of prices.

        Raises:
            ConfigError: naming the price that cannot be used.
        """
        if not isinstance(config, Mapping):
            raise ConfigError(f"prices must be a dict, got {type(config).__name__}")
        known = [f.name for f in fields(cls)]
        for name, price in config.items():
            if name not in known:
                raise UnknownNameError("key of prices", str(name), known)
            is_number = isinstance(price, int | float) and not isinstance(price, bool)
            if not is_number or not 0 <= price < math.inf:
                raise ConfigError(f"prices: {name} must be a number of 0 or more, got {price!r}")
        for name in ("input", "output"):
            if name not in config:
                raise ConfigError(f"prices: {name} is missing")
        return cls(**config)

    def cost(self, usage: Usage) -> float | None:
        """Return the cost of a call; None when the server did not count its tokens."""
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.input_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        total = (usage.input_tokens - cached) * self.input + cached * cached_price
        return (total + usage.output_tokens * self.output) / 1e6
