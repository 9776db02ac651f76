"""The command line ``gym-llm``: one module a verb."""

from gym_llm.cli.app import main

__all__ = ["main"]
