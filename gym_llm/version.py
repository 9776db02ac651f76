"""The version of gym_llm."""

__version__ = "0.1.0"
