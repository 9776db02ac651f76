"""Wrappers: grading, rewards, session state, limits, formats, records; one idea each."""

from gym_llm.wrappers.multi_reward import MultiReward
from gym_llm.wrappers.record_rollout import RecordRollout
from gym_llm.wrappers.session_state import SessionSnapshot, SessionState
from gym_llm.wrappers.strip_reasoning import StripReasoning
from gym_llm.wrappers.tool_format import ToolFormat
from gym_llm.wrappers.turn_limit import TurnLimit
from gym_llm.wrappers.verify import Verify

__all__ = [
    "MultiReward",
    "RecordRollout",
    "SessionSnapshot",
    "SessionState",
    "StripReasoning",
    "ToolFormat",
    "TurnLimit",
    "Verify",
]
