"""What an agent is: it sees observation and info, and answers with an action."""

from typing import Any, Protocol


class Agent(Protocol):
    """Drives one episode; a new agent is made for every rollout."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the action for what ``reset`` or ``step`` returned.

        Raises:
            ModelError: the model behind the agent did not answer.
        """
        ...
