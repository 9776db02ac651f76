"""The actions of a recorded episode."""

from gym_llm.messages import encode_action, message_from_chat
from gym_llm.rollouts.records import Rollout


def actions_of(rollout: Rollout) -> list[str]:
    """Return what was given to ``step``, one action a turn, in order.

    They are the rollout's ``actions`` where it has them. Else they are read from its messages: the last
    ``turns`` messages of the assistant, as those before them are examples in the prompt. Where there is
    one model call a turn, each action has the ``finish_reason`` of its call. They are fewer than the
    turns if a message is missing or cannot be read.
    """
    if rollout.actions is not None:
        return list(rollout.actions)
    said = [m for m in rollout.messages if m.get("role") == "assistant"]
    own = said[max(0, len(said) - rollout.turns) :]
    reasons = [call.finish_reason for call in rollout.calls]
    if len(reasons) != rollout.turns:
        reasons = [None] * rollout.turns
    return [
        encode_action(turn.content, turn.tool_calls, turn.reasoning, reason or turn.finish_reason)
        for turn, reason in zip(map(message_from_chat, own), reasons, strict=False)
        if turn is not None
    ]
