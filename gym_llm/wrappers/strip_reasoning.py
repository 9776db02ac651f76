"""StripReasoning: remove inline reasoning from the action before the environment sees it."""

from typing import get_args

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from gym_llm.errors import ConfigError
from gym_llm.extraction import ReasoningRule, strip_reasoning
from gym_llm.messages import decode_action, encode_action


class StripReasoning(gymnasium.ActionWrapper[str, str, str], RecordConstructorArgs):
    """Remove ``<think>`` blocks from the content of every action, by a rule of `gym_llm.extraction`."""

    def __init__(self, env: gymnasium.Env[str, str], rule: ReasoningRule = "outside") -> None:
        if rule not in get_args(ReasoningRule):
            raise ConfigError(f"rule must be one of {get_args(ReasoningRule)}, got {rule!r}")
        RecordConstructorArgs.__init__(self, rule=rule)
        gymnasium.ActionWrapper.__init__(self, env)
        self.rule = rule

    def action(self, action: str) -> str:
        """Return the action without its inline reasoning."""
        message = decode_action(action)
        content = strip_reasoning(message.content, self.rule)
        return encode_action(content, message.tool_calls, message.reasoning, message.finish_reason)
