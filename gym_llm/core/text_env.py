"""TextEnv: the bookkeeping that every environment shares; what differs is two hooks."""

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
from gymnasium.error import ResetNeeded

from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.messages import AssistantMessage, Message, decode_action, message_text, with_call_ids
from gym_llm.spaces import Text
from gym_llm.tasks import HubSplit, OnBadRow, RawRow, Row, RowFormat, Task, TaskSet, TaskSource
from gym_llm.verification import Episode, Verification


@dataclass
class Turn:
    """What an environment answers to one assistant turn."""

    messages: list[Message] = field(default_factory=list)
    """New messages for the assistant: tool results, a user turn."""
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: dict[str, Any] = field(default_factory=dict)


class TextEnv(gymnasium.Env[str, str]):
    """An environment whose observations and actions are text.

    A subclass sets ``row_model`` and ``data``, names its default ``verifier_class``, and implements
    `respond` (and `begin`, where an episode has state). Everything that changes during an episode lives
    in
    ``self.episode`` and ``self.np_random``: that is what makes episodes forkable.

    Args:
        tasks: ``"example"``, a split of ``splits``, ``"generated"``, a path to a JSONL file, a list of
            rows or a dict of arguments for ``datasets.load_dataset``.
        on_bad_row: ``"error"`` or ``"skip"``.
        render_mode: None or one of ``metadata["render_modes"]``.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]
    row_model: ClassVar[type[Row]] = Row
    data: ClassVar[str] = ""
    """Stem of the bundled file ``data/<stem>.jsonl`` beside the module."""
    splits: ClassVar[Mapping[str, HubSplit]] = {}
    verifier_class: ClassVar[type[Any] | None] = None
    max_turns: ClassVar[int | None] = None
    """Default of the ``max_turns`` argument: assistant turns before the episode is truncated."""

    observation_space: Text
    action_space: Text

    def __init__(
        self, tasks: Any = "example", on_bad_row: OnBadRow = "error", render_mode: str | None = None
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(
                f"render_mode must be one of {self.metadata['render_modes']}, got {render_mode!r}"
            )
        self.render_mode = render_mode
        self.observation_space = Text()
        self.action_space = Text()
        self.task_source = self.source()
        self.tasks: TaskSet = self.task_source.load(tasks, on_bad_row)
        self._episode: Episode | None = None
        self.ended = True

    # --- what a subclass provides

    adapt: ClassVar[Any] = None
    """``adapt(raw, index) -> dict``, a static method: the public data set's columns to the row model's
    fields."""
    generate: ClassVar[Any] = None
    """``generate(index) -> dict``, a static method: row ``index`` of the generated task set."""

    def begin(self, task: Task) -> list[Message]:
        """Set up ``self.episode.state`` and return messages to add to the row's prompt."""
        return []

    def respond(self, message: AssistantMessage) -> Turn:
        """Take one assistant turn."""
        raise NotImplementedError

    def tools(self) -> list[Message]:
        """Return the tools of this episode in the chat form."""
        tools: list[Message] = self.episode.task.row.tools
        return tools

    def verification(self) -> Verification | None:
        """Return the grade of the episode so far, for environments that grade themselves (games)."""
        return None

    def example_actions(self) -> list[str]:
        """Return plausible actions for now, which the ``random`` agent draws from; none by default."""
        return []

    # --- what gym_llm provides

    def reference(self) -> list[str]:
        """Return the actions that earn the most in the present task; empty when it has none."""
        reference: list[str] = self.episode.task.row.reference or []
        return reference

    @classmethod
    def source(cls) -> TaskSource:
        """Return where the tasks of this class come from."""
        bundled = Path(inspect.getfile(cls)).parent / "data" / f"{cls.data}.jsonl"
        return TaskSource(
            cls.data, bundled, RowFormat(cls.row_model, cls.adapt), cls.splits, cls.generate
        )

    @classmethod
    def make(cls, **kwargs: Any) -> gymnasium.Env[str, str]:
        """Build the environment with its turn limit and verifier: what ``gymnasium.make`` calls.

        Args:
            kwargs: arguments of the class, fields of its verifier, ``max_turns``, and ``on_failure``
                (see `gym_llm.wrappers.Verify`).

        Raises:
            UnknownNameError: an argument that none of these has.
        """
        from gym_llm.wrappers import TurnLimit, Verify

        env_names = cls.argument_names()
        verifier_names = (
            {f.name for f in dataclasses.fields(cls.verifier_class)} if cls.verifier_class else set()
        )
        known = (
            verifier_names
            | env_names
            | {"max_turns"}
            | ({"on_failure"} if cls.verifier_class else set())
        )
        for name in kwargs:
            if name not in known:
                raise UnknownNameError(f"argument of {cls.__name__}", name, sorted(known))
        env: gymnasium.Env[str, str] = cls(**{k: v for k, v in kwargs.items() if k in env_names})
        max_turns = kwargs.get("max_turns", cls.max_turns)
        if max_turns is not None:
            env = TurnLimit(env, max_turns)
        if cls.verifier_class is not None:
            verifier = cls.verifier_class(**{k: v for k, v in kwargs.items() if k in verifier_names})
            env = Verify(env, verifier, on_failure=kwargs.get("on_failure", "mask"))
        return env

    @classmethod
    def argument_names(cls) -> set[str]:
        """Return the names that the constructors of this class and its bases take."""
        bases = [base for base in cls.__mro__ if issubclass(base, TextEnv)]
        parameters = [p for base in bases for p in inspect.signature(base.__init__).parameters.values()]
        return {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {"self"}

    @property
    def episode(self) -> Episode:
        """The current episode; ResetNeeded before the first reset."""
        if self._episode is None:
            raise ResetNeeded("call reset before step, render or a look at the episode")
        return self._episode

    @episode.setter
    def episode(self, episode: Episode) -> None:
        self._episode = episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds ``np_random``, which draws the task unless ``options`` names one.
            options: ``{"task": index}`` or ``{"task": row}``, and ``"judge_seed"`` for judge models
                whose endpoint takes a seed.

        Returns:
            The prompt's text, and info with ``task_id``, ``task_index``, ``messages`` and, where the
            episode has any, ``tools``.

        Raises:
            ConfigError: the task index is out of range. RowError: the given row is bad.
        """
        super().reset(seed=seed)
        options = options or {}
        task = self._choose(options.get("task"))
        self.episode = Episode(task, judge_seed=options.get("judge_seed"))
        self.ended = False
        messages = [*map(dict, task.row.messages), *self.begin(task)]
        self.episode.transcript.extend(messages)
        info: dict[str, Any] = {"task_id": task.id, "task_index": task.index, "messages": messages}
        if tools := self.tools():
            info["tools"] = tools
        return observation_text(messages), info

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one assistant turn; see the class for what ends an episode.

        Raises:
            ResetNeeded: the episode has ended or none was started.
        """
        if self.ended:
            raise ResetNeeded("the episode has ended: call reset before step")
        message = with_call_ids(decode_action(action), self.episode.turn)
        self.episode.responses.append(message)
        self.episode.transcript.append(message.to_chat())
        turn = self.respond(message)
        self.episode.transcript.extend(turn.messages)
        self.episode.rewards.append(turn.reward)
        self.ended = turn.terminated or turn.truncated
        info = {**turn.info, "messages": turn.messages}
        if self.ended:
            info.update(verification_info(self.verification()))
        observation = observation_text(turn.messages)
        return observation, float(turn.reward), turn.terminated, turn.truncated, info

    def render(self) -> Any:
        """Return the transcript as text for ``ansi``; None without a render mode."""
        if self.render_mode != "ansi":
            return None
        return "\n".join(f"[{m['role']}] {message_text(m)}" for m in self.episode.transcript)

    def _choose(self, task: Any) -> Task:
        if task is None:
            return self.tasks[int(self.np_random.integers(len(self.tasks)))]
        if isinstance(task, Mapping):
            raw: RawRow = dict(task)
            return self.task_source.parse(raw)
        try:
            return self.tasks[int(task)]
        except (IndexError, TypeError, ValueError) as error:
            raise ConfigError(f"options['task'] must be a row or an index: {error}") from error


def core_of(env: gymnasium.Env[Any, Any], user: str) -> TextEnv:
    """Return the TextEnv inside all wrappers; ConfigError naming ``user`` when there is none."""
    core = env.unwrapped
    if not isinstance(core, TextEnv):
        raise ConfigError(f"{user} needs a gym_llm TextEnv, got {type(core).__name__}")
    return core


def verification_info(verification: Verification | None) -> dict[str, Any]:
    """Return the info entries of a graded episode; none when there is no grade."""
    if verification is None:
        return {}
    return {"rewards": dict(verification.rewards), "verification": verification}


def observation_text(messages: list[Message]) -> str:
    """Return the text of new messages as one observation; what UTF-8 cannot hold becomes ``?``."""
    text = "\n\n".join(message_text(m) for m in messages)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
