"""Multi-turn: a scripted user asks follow-up questions, and the last reply is graded."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from gym_llm.core import TextEnv, Turn
from gym_llm.errors import ConfigError
from gym_llm.extraction import response_text, strip_reasoning
from gym_llm.messages import AssistantMessage, Message
from gym_llm.tasks import Row, Task
from gym_llm.verification import Episode, Verification

MAX_EXPECTED_CHARS = 1000
"""A longer expected answer is refused: searching for it in a long reply would take its time."""

Match = Literal["substring", "word"]


class MultiTurnRow(Row):
    """What the user says, turn by turn, and what the last reply must contain."""

    question: str | None = None
    follow_ups: list[str] = []
    expected_answer: str = Field("", max_length=MAX_EXPECTED_CHARS)

    def default_prompt(self) -> list[Message] | None:
        """Return the first question."""
        return None if self.question is None else [{"role": "user", "content": self.question}]


def contains(text: str, phrase: str, match: Match = "substring") -> bool:
    """Tell whether a phrase occurs in a text, lower-cased both; an empty phrase never does.

    With ``match="word"`` neither end of the phrase may lie within a word or number.

    >>> contains("it is 120", "20"), contains("it is 120", "20", "word")
    (True, False)
    """
    text, phrase = text.lower(), phrase.lower()
    if match == "substring" or phrase not in text:
        return bool(phrase) and phrase in text
    before = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", phrase) else ""
    return bool(phrase) and re.search(f"{before}{re.escape(phrase)}{after}", text) is not None


@dataclass(frozen=True)
class LastReplyContains:
    """1.0 if the reply to the last follow-up contains the row's ``expected_answer``; else 0.0."""

    match: Match = "substring"
    """``"word"``: not within a longer word or number."""

    components = ("correct",)

    def __post_init__(self) -> None:
        if self.match not in get_args(Match):
            raise ConfigError(f"match must be one of {get_args(Match)}, got {self.match!r}")

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the last reply; an episode that was cut before it earns nothing."""
        row = task.row
        if episode.turn <= len(row.follow_ups):
            return Verification.of("correct", 0.0)
        reply = strip_reasoning(response_text(episode.responses[-1:]))
        return Verification.of("correct", contains(reply, row.expected_answer, self.match))


class MultiTurnEnv(TextEnv):
    """Talk to a user who follows a script, and answer the last question.

    ## Description
    The user asks a question and then, whatever the replies are, the row's ``follow_ups`` one by one.
    Only the reply to the last one is graded.
    ## Observation
    ``str``: the row's prompt, or its ``question``; then one follow-up a turn; empty at the end.
    ## Action
    ``str``: the assistant's reply. There are no tools: calls are ignored.
    ## Reward
    0.0 until the last reply; then 1.0 if it contains ``expected_answer``, compared in lower case, else
    0.0. An empty ``expected_answer`` pays nothing. ``info["rewards"]`` has ``correct``.

    Differs from NeMo Gym: what stands in ``<think>`` tags is not graded (it is there), rows are checked
    when they are loaded, and an episode that has ended cannot be stepped again.
    ## Episode end
    Terminates with the reply to the last follow-up; truncated, with 0.0, after ``max_turns`` turns.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``match`` (str):
    ``"substring"`` (default), or ``"word"``, where ``20`` does not occur in ``120``. ``max_turns`` (int
    or None, default 5).
    ## Data and licence
    The bundled tasks are gym_llm's own (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = MultiTurnRow
    data = "multi_turn"
    verifier_class = LastReplyContains
    max_turns = 5

    def respond(self, message: AssistantMessage) -> Turn:
        """Ask the next follow-up, or end the episode."""
        follow_ups, asked = self.episode.task.row.follow_ups, self.episode.turn - 1
        if asked == len(follow_ups):
            return Turn(terminated=True)
        return Turn([{"role": "user", "content": follow_ups[asked]}])

    def example_actions(self) -> list[str]:
        """Return replies that fit many questions."""
        return ["I do not know.", "Yes.", "No.", "It is 2."]
