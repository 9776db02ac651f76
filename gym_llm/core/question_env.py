"""QuestionEnv: one prompt, one answer."""

from gym_llm.core.text_env import TextEnv, Turn
from gym_llm.messages import AssistantMessage


class QuestionEnv(TextEnv):
    """An environment that ends with the first assistant turn; the verifier grades it."""

    def respond(self, message: AssistantMessage) -> Turn:
        """End the episode."""
        return Turn(terminated=True)
