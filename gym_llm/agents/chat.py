"""ChatAgent: a model behind an OpenAI-compatible endpoint, with the environment's tools."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gym_llm.messages import Message, encode_action, with_call_ids
from gym_llm.models import Client, Completion


class ChatAgent:
    """Holds the conversation of one episode and asks the model for every turn.

    The environment runs the tools: a turn with tool calls becomes one action, their results come back as
    messages. Works for every environment, since a question is an episode of one turn.

    Args:
        client: the endpoint.
        params: sampling parameters beside those of the endpoint, for example a seed.
        cache_salt: what tells this episode from others of the same task in a response cache.
    """

    def __init__(
        self, client: Client, params: Mapping[str, Any] | None = None, cache_salt: str = ""
    ) -> None:
        self._client = client
        self._params = dict(params or {})
        self._messages: list[Message] = []
        self._tools: list[Message] | None = None
        self._cache_salt = cache_salt
        self._turn = 0
        self.completions: list[Completion] = []
        """The model's answers, one a call, without their raw JSON."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the model's next turn.

        Raises:
            ModelError: the endpoint did not answer.
        """
        self._messages.extend(info["messages"])
        self._tools = info.get("tools", self._tools)
        completion = await self._client.complete(
            self._messages, self._tools, self._params, self._cache_salt
        )
        self.completions.append(replace(completion, raw={}))
        message = with_call_ids(completion.message, self._turn)
        self._turn += 1
        self._messages.append(message.to_chat())
        return encode_action(
            message.content, message.tool_calls, message.reasoning, message.finish_reason
        )
