r"""Mathematics with a boxed answer, compared symbolically (single turn).

Each row of NeMo Gym's ``math_with_judge`` server is a small subclass of `MathEnv`.
"""

from typing import ClassVar

import pydantic

from gym_llm.core import QuestionEnv
from gym_llm.messages import Message, message_text
from gym_llm.tasks import HubSplit, RawRow, Row
from gym_llm.verifiers.math import MathVerifier

HOW_TO_ANSWER = r"Put your final answer, and nothing else, in \boxed{}."


class MathRow(Row):
    """A problem and its answer; rows without a prompt of their own show the question."""

    question: str | None = None
    expected_answer: str

    @pydantic.field_validator("expected_answer")
    @classmethod
    def _is_not_empty(cls, answer: str) -> str:
        # Nothing equals an empty answer: the row could only pay 0.
        if not answer.strip():
            raise ValueError("the gold answer is empty")
        return answer

    @property
    def question_text(self) -> str:
        """The problem as a judge sees it: the question, else the last message of the prompt."""
        return self.question or (message_text(self.messages[-1]) if self.messages else "")

    def default_prompt(self) -> list[Message] | None:
        """Return the question and how to answer."""
        if self.question is None:
            return None
        return [{"role": "user", "content": f"{self.question.strip()}\n\n{HOW_TO_ANSWER}"}]


def adapt_columns(raw: RawRow, index: int) -> RawRow:
    """Convert the columns of DAPO-Math-17k or of AIME.

    DAPO has ``prompt``, a list of messages that is kept as it stands, and ``reward_model``; AIME has
    ``problem`` and ``answer``.
    """
    if "reward_model" in raw:
        messages = raw["prompt"]
        question, answer = messages[0]["content"], raw["reward_model"]["ground_truth"]
    elif "problem" in raw:
        question, answer = raw["problem"], raw["answer"]
        messages = [
            {"role": "system", "content": HOW_TO_ANSWER},
            {"role": "user", "content": question},
        ]
    else:
        return raw
    params = {"input": messages}
    return {"responses_create_params": params, "question": question, "expected_answer": str(answer)}


class MathEnv(QuestionEnv):
    """Base of the mathematics environments: rows, adapter and verifier."""

    row_model = MathRow
    verifier_class = MathVerifier
    adapt = staticmethod(adapt_columns)

    def example_actions(self) -> list[str]:
        """Return small numbers in a box."""
        return [rf"\boxed{{{number}}}" for number in range(10)]


class MathDAPO17kEnv(MathEnv):
    r"""Solve a competition problem; the boxed answer is compared symbolically.

    ## Description
    Each task is one problem whose answer is a number or an expression. The model reasons and gives the
    answer in ``\boxed{}``.
    ## Observation
    ``str``: the row's prompt; for rows without one, the question and how to answer.
    ## Action
    ``str``: the assistant's text.
    ## Reward
    1.0 if math-verify finds the answer equal to ``expected_answer``, else 0.0; ``info["rewards"]`` has
    ``correct``. ``info["verification"].fields``: ``expected_answer``, ``extracted_answer`` (str or
    None), ``library_reward``, ``math_verify_version``, ``judge_evaluations`` (None where no judge was
    asked).

    - A box wins over plain numbers; without any LaTeX the last number counts.
    - Several boxes form a set where only a few characters, or a separator such as ``and``, lie between
      them; elsewhere the last box counts.
    - ``x=5``, units and ``\text{}`` are reduced to the value. A decimal equals a gold number that is no
      integer after rounding both to six decimals; an integer must be exact.
    - A check that takes longer than the limit, crashes or fails pays 0.0.
    - With ``should_use_judge`` a judge model compares what the library rejects with the gold answer, and
      again in the other order when it says "equal"; both must agree for 1.0.

    Differs from NeMo Gym: reasoning in ``<think>`` is not graded (a box in there pays 1.0 there), only
    the last turn that has text is (all turns, joined without a separator, there), a row with an empty
    answer is refused, checks run in warm worker processes, not in a fork each, and the judge does not
    see verdict labels that an answer holds.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``strip_reasoning`` (bool,
    default True): leave out ``<think>`` blocks; an unclosed one leaves nothing after it. ``grade``
    (``"last"`` or ``"all"``): the turns that count. ``normalize_digits`` (bool, default False): read
    digits of all scripts. ``library_verifier_timeout_seconds`` (float, default 10.0).
    ``library_verifier_max_concurrency`` (int, default 32): most checks at a time in a process, never
    more than cores. ``should_use_judge`` (bool, default False). ``judge`` (dict or None): fields of
    `gym_llm.models.Endpoint`; None reads ``GYM_LLM_JUDGE_*``. ``judge_label``: the ``"first"`` label of
    the judge's reply counts, or with ``"last_line"`` the last one on a line of its own.
    ## Data and licence
    Split ``train``: ``YouJiacheng/DAPO-Math-17k-dedup``; ``validation``: ``HuggingFaceH4/aime_2024``,
    30 problems that are usually scored as the mean of 32 rollouts each (both Apache 2.0). The bundled
    tasks are gym_llm's own (Apache 2.0). Rows with the columns of these data sets are converted.
    ## Version history
    - v0: first version.
    """

    data = "dapo17k"
    splits: ClassVar = {
        "train": HubSplit("YouJiacheng/DAPO-Math-17k-dedup"),
        "validation": HubSplit("HuggingFaceH4/aime_2024"),
    }
