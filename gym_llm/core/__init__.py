"""Base classes of environments: text in, text out."""

from gym_llm.core.game_env import GameEnv
from gym_llm.core.question_env import QuestionEnv
from gym_llm.core.text_env import TextEnv, Turn
from gym_llm.core.tool_env import ToolEnv
from gym_llm.core.tools import Tool, tool

__all__ = ["GameEnv", "QuestionEnv", "TextEnv", "Tool", "ToolEnv", "Turn", "tool"]
