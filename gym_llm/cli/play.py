"""``gym-llm play ID``: be the model, in the terminal."""

import argparse
import json
from typing import Any

import gymnasium
from rich.console import Console

from gym_llm.cli.options import add_env_options, env_kwargs
from gym_llm.cli.terminal import HELP, read_text, to_action
from gym_llm.core.text_env import core_of
from gym_llm.messages import Message
from gym_llm.registration import find
from gym_llm.verification import Verification
from gym_llm.wrappers import SessionState

MAX_STATE_LINES = 60
"""A longer state is shown as what has changed since the start."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("play", help="play an environment yourself")
    parser.add_argument("id", help="environment id; gym_llm/ and -v0 may be left out")
    add_env_options(parser)
    parser.add_argument("--task", type=int, help="index of the task (default: drawn by the seed)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play one episode."""
    env = gymnasium.make(find(args.id).id, disable_env_checker=True, **env_kwargs(args))
    options = None if args.task is None else {"task": args.task}
    _Session(SessionState(env), Console(highlight=False)).play(args.seed, options)
    return 0


class _Session:
    """One episode at the terminal; every turn keeps a fork of what was before it."""

    def __init__(self, env: SessionState, console: Console) -> None:
        self.env, self.console = env, console
        self.past: list[SessionState] = []
        self.returns = [0.0]

    def play(self, seed: int, options: dict[str, Any] | None) -> None:
        """Play until the end of the episode or of the input."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.start = self.env.get_state()
        self._say(f"task {info['task_id']}\n{HELP}")
        self.tools: list[Message] = info.get("tools", [])
        self._show_tools(brief=True)
        if keys := self._keys():
            self._say("keys: " + ", ".join(f"{key} = {action}" for key, action in keys.items()))
        self._say(observation)
        while (text := read_text()) is not None and text.strip() != "/quit":
            if self._command(text.strip()):
                continue
            if self._step(to_action(text, keys)):
                return

    def _keys(self) -> dict[str, str]:
        keys: dict[str, str] = getattr(core_of(self.env, "play"), "key_map", {})
        return keys

    def _command(self, text: str) -> bool:
        """Carry out a command; False when the text is none."""
        if text == "/undo":
            self._undo()
        elif text == "/state":
            self._show_state()
        elif text == "/tools":
            self._show_tools(brief=False)
        elif text == "/help":
            self._say(HELP)
        elif text.startswith("/") and not text.startswith("/call "):
            self._say(f"unknown command {text.split()[0]}; /help shows them")
        else:
            return False
        return True

    def _undo(self) -> None:
        if not self.past:
            self._say("nothing to undo")
            return
        self.env = self.past.pop()
        self.returns.pop()
        messages = self.env.get_state().episode.transcript
        self._say(f"back at turn {len(self.past)}\n{messages[-1]['content'] if messages else ''}")

    def _step(self, action: str) -> bool:
        """Take one turn and return whether the episode is over."""
        self.past.append(self.env.fork())
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.returns.append(self.returns[-1] + float(reward))
        self._say(observation)
        if reward:
            self._say(f"reward {reward:g}")
        if not (terminated or truncated):
            return False
        self._say(f"the episode is {'over' if terminated else 'cut at its turn limit'}")
        self._show_verification(info.get("verification"))
        return True

    def _show_state(self) -> None:
        """Show the whole state, or what has changed since the start when it is long."""
        state = json.dumps(self.env.get_state().episode.state, indent=2, default=vars)
        if state.count("\n") <= MAX_STATE_LINES:
            self._say(state)
            return
        changes = self.env.diff(self.start)
        self._say(f"{len(changes)} changes since the start")
        for path, before, after in changes:
            self._say(f"  {path}: {json.dumps(before, default=str)} -> {json.dumps(after, default=str)}")

    def _show_verification(self, verification: Verification | None) -> None:
        self._say(f"return {self.returns[-1]:g}")
        if verification is None:
            return
        for name, value in verification.rewards.items():
            self._say(f"  {name}: {value:g}")
        for name, value in verification.fields.items():
            self._say(f"  {name}: {value}")
        if verification.failure is not None:
            self._say(f"  not graded: {verification.failure.kind}: {verification.failure.message}")

    def _show_tools(self, brief: bool) -> None:
        for tool in self.tools:
            function = tool["function"]
            parameters = (function.get("parameters") or {}).get("properties") or {}
            self._say(
                f"  {function['name']}({', '.join(parameters)})  {function.get('description', '')}"
            )
            if not brief:
                self._say(json.dumps(function.get("parameters"), indent=2))

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)
