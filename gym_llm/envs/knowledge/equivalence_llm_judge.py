"""EquivalenceLLMJudge: short free-form answers that a judge model compares with the right one."""

import functools
from typing import Any, ClassVar

import pydantic

from gym_llm.core import QuestionEnv
from gym_llm.messages import Message, message_text
from gym_llm.tasks import HubSplit, RawRow, Row
from gym_llm.verifiers.equivalence import Equivalence


class EquivalenceRow(Row):
    """A question and its right answer, perhaps with a pattern that extracts the model's answer."""

    question: str | None = None
    expected_answer: str | None = None
    metadata: dict[str, Any] | None = None
    template_metadata: dict[str, Any] | None = None

    @pydantic.model_validator(mode="after")
    def _has_gold_and_pattern(self) -> "EquivalenceRow":
        if not self.gold.strip():
            raise ValueError("expected_answer: missing or empty, also in metadata")
        pattern = (self.template_metadata or {}).get("output_regex")
        if not isinstance(pattern, str | None):
            raise ValueError(f"template_metadata.output_regex: expected a pattern, got {pattern!r}")
        return self

    @functools.cached_property
    def gold(self) -> str:
        """The right answer: ``expected_answer``, or else that of ``metadata``."""
        return self.expected_answer or str((self.metadata or {}).get("expected_answer") or "")

    @functools.cached_property
    def output_regex(self) -> str | None:
        """The row's own pattern for the model's answer."""
        return (self.template_metadata or {}).get("output_regex") or None

    @functools.cached_property
    def question_text(self) -> str:
        """The last user message of the prompt."""
        texts = (message_text(m) for m in reversed(self.messages) if m["role"] == "user")
        return next(texts, "").strip()

    def default_prompt(self) -> list[Message] | None:
        """Return the question and how to answer."""
        if self.question is None:
            return None
        how = r"Put the final answer, and nothing else, in \boxed{}."
        return [{"role": "user", "content": f"{self.question.strip()}\n\n{how}"}]


def adapt_sciq(raw: RawRow, index: int) -> RawRow:
    """Convert ``question`` and ``correct_answer`` of SciQ; its wrong options are left out."""
    if "correct_answer" not in raw:
        return raw
    return {"question": raw["question"], "expected_answer": raw["correct_answer"]}


class EquivalenceLLMJudgeEnv(QuestionEnv):
    r"""Answer a question in free form; a judge model decides whether it says what the right answer says.

    ## Description
    Each task is one question of science or general knowledge. The judge sees the question, the right
    answer and the model's, and must find the two equal in fact and complete.
    ## Observation
    ``str``: the row's prompt; for rows without one, the question and how to answer.
    ## Action
    ``str``: the assistant's text. Inline reasoning is removed before anything else; the row's
    ``template_metadata.output_regex`` extracts the answer (last match, first group with text, one second
    at most); without a match the whole text counts.
    ## Reward
    1.0 if the judge's first label is ``judge_equal_label``, else 0.0; ``info["rewards"]`` has
    ``correct``. With ``check_twice_swap`` "equal" must hold with the answers swapped as well, or the
    reward is ``reward_if_swap_fails``. With ``check_full_generation_on_fail`` a negative verdict on what
    the row's pattern extracted is followed by a call with the whole text, worth
    ``reward_if_full_generation_succeeds``. With a gold answer above ``extraction_length_threshold`` the
    row's pattern is not used, and neither of the two second calls is made.
    ``info["verification"].fields``: ``expected_answer``, ``extracted_answer``, ``regex_invalid``,
    ``injection_suspect``, and what every judge environment reports: ``judge_calls``,
    ``judge_verdicts``, ``judge_tokens``, ``judge_evaluations`` (request, response and label of each
    call). A judge that does not answer gives no grade: the rollout is masked.

    Differs from NeMo Gym: inline reasoning of answer and reply is removed, marker lines keep the answer
    apart from the judge's instructions, patterns have a time limit, a row without a right answer is
    refused, and there is no default judge (there it is the policy itself).
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``judge`` (dict): fields of
    `gym_llm.models.Endpoint`; without it the environment variables ``GYM_LLM_JUDGE_BASE_URL``,
    ``GYM_LLM_JUDGE_MODEL`` and ``GYM_LLM_JUDGE_API_KEY``; with neither, ConfigError. The options of
    `gym_llm.verifiers.equivalence.Equivalence`: ``judge_prompt``, ``judge_system_message``,
    ``judge_equal_label``, ``judge_not_equal_label``, ``judge_endpoint_max_concurrency``,
    ``question_extract_regex``, ``response_extract_regex``, ``use_per_record_regex``,
    ``extraction_length_threshold``, ``msg_extraction_failure``, ``check_twice_swap``,
    ``reward_if_swap_fails``, ``check_full_generation_on_fail``, ``reward_if_full_generation_succeeds``,
    ``skip_judge_if_empty``, ``strip_reasoning``, ``fence_candidate``.
    ## Data and licence
    Splits ``train``: ``nvidia/Nemotron-RL-knowledge-openQA`` (Apache 2.0); ``validation``:
    ``allenai/sciq`` (CC BY-NC 3.0). The bundled tasks are gym_llm's own (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = EquivalenceRow
    data = "equivalence_llm_judge"
    splits: ClassVar = {
        "train": HubSplit("nvidia/Nemotron-RL-knowledge-openQA", split="train"),
        "validation": HubSplit("allenai/sciq", split="validation"),
    }
    verifier_class = Equivalence
    adapt = staticmethod(adapt_sciq)

    def example_actions(self) -> list[str]:
        """Return the right answer, a wrong one and a refusal."""
        return [f"\\boxed{{{self.episode.task.row.gold}}}", r"\boxed{seventeen}", "I do not know."]
