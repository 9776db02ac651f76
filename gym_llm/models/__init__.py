"""Model endpoints: OpenAI-compatible servers, called from asyncio or (`background`) from plain code."""

from gym_llm.models.cache import ResponseCache
from gym_llm.models.client import Client, Completion
from gym_llm.models.cost import Prices
from gym_llm.models.endpoint import Endpoint
from gym_llm.models.tokens import TurnTokens
from gym_llm.models.wire import Usage

__all__ = ["Client", "Completion", "Endpoint", "Prices", "ResponseCache", "TurnTokens", "Usage"]
