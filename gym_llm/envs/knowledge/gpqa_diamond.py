"""GPQA Diamond: hard questions of physics, chemistry and biology, four options each (single turn)."""

import functools
import hashlib
import random
import uuid
from typing import ClassVar

from gym_llm.core import QuestionEnv
from gym_llm.envs.knowledge.mcqa import MCQARow
from gym_llm.messages import Message
from gym_llm.tasks import HubSplit, RawRow
from gym_llm.verifiers.answer_letter import AnswerLetter

SERVER_SEED = 42


class GPQARow(MCQARow):
    """A row of MCQA; the prompt that is built for a row without one asks for an ``Answer:`` line."""

    def default_prompt(self) -> list[Message] | None:
        """Return the question, a line for each option, and how to answer."""
        if self.question is None:
            return None
        options = [f"{letter}: {text}" for letter, text in self.letters.items()]
        how = "Reason step by step, then end with a line of the form `Answer: X`, X being the letter."
        return [{"role": "user", "content": "\n".join([self.question.strip(), *options, "", how])}]


@functools.lru_cache(maxsize=4096)
def server_order(index: int) -> tuple[int, ...]:
    """Return how NeMo Gym's server orders the options of row ``index``.

    One generator shuffles the rows one after the other, so a row's order depends on those before it.
    """
    rng = random.Random(SERVER_SEED)
    order: list[int] = []
    for _ in range(index + 1):
        order = [0, 1, 2, 3]
        rng.shuffle(order)
    return tuple(order)


def adapt_server_order(raw: RawRow, index: int) -> RawRow:
    """Convert the Hub's columns in the way of NeMo Gym's server: split ``train``."""
    if "Correct Answer" not in raw:
        return raw
    question, correct, wrong = _columns(raw)
    texts = [*wrong, correct]
    options = [texts[i] for i in server_order(index)]
    return {"task_id": f"gpqa_diamond-server-{index}", **_row(raw, question, options, correct)}


def adapt_question_order(raw: RawRow, index: int) -> RawRow:
    """Convert the Hub's columns in the way of NeMo Gym's benchmark: split ``benchmark``."""
    if "Correct Answer" not in raw:
        return raw
    question, correct, wrong = _columns(raw)
    # The digest only seeds the shuffle.
    digest = hashlib.md5(str(raw["Question"]).encode(), usedforsecurity=False).hexdigest()
    options = [correct, *wrong]
    random.Random(int(digest, 16)).shuffle(options)
    name = uuid.uuid5(uuid.NAMESPACE_URL, str(raw["Question"]))
    return {
        "task_id": f"gpqa_diamond-benchmark-{name}",
        **_row(raw, question, options, correct),
        "uuid": str(name),
    }


def _columns(raw: RawRow) -> tuple[str, str, list[str]]:
    names = ["Question", "Correct Answer", *(f"Incorrect Answer {i}" for i in (1, 2, 3))]
    texts = [str(raw[name] or "").strip() for name in names]
    if "" in texts:
        raise ValueError(f"{names[texts.index('')]!r} is empty")
    return texts[0], texts[1], texts[2:]


def _row(raw: RawRow, question: str, options: list[str], correct: str) -> RawRow:
    metadata = {
        "explanation": raw.get("Explanation"),
        "subset_for_metrics": raw.get("Subdomain"),
        "difficulty": str(raw.get("Writer's Difficulty Estimate") or "").partition(" (")[0],
    }
    return {
        "question": question,
        "options": [{letter: text} for letter, text in zip("ABCD", options, strict=True)],
        "expected_answer": "ABCD"[options.index(correct)],
        "metadata": metadata,
    }


class GPQADiamondEnv(QuestionEnv):
    r"""Answer a graduate-level question of biology, chemistry or physics with one of four letters.

    ## Description
    Each task is one question with four lettered options. The model reasons and names one option.
    ## Observation
    ``str``: the row's prompt; for rows without one, the question, a line ``X: text`` for each option,
    and how to answer.
    ## Action
    ``str``: the assistant's text, with the letter in ``\boxed{}`` or after ``Answer:``.
    ## Reward
    1.0 if the extracted letter is ``expected_answer``, else 0.0; ``info["rewards"]`` has ``correct``.
    ``info["verification"].fields``: ``expected_answer``, ``extracted_answer`` (letter or None). In this
    order:

    - a row's ``template_metadata.output_regex``, as in MCQA;
    - the last ``\boxed{}`` up to its first closing brace: the one capital, or the last that stands
      alone;
    - the last ``Answer:`` (any case, at most two ``*`` or ``_`` on either side of the colon) followed by
      one letter in any case.

    A letter that is no option counts as none, and the next format is not tried.

    Differs from NeMo Gym: ``output_regex`` may be a list (an error there) and has a time limit.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``any_markers`` (bool,
    default False): allow any number of ``*`` and ``_`` around the colon.
    ## Data and licence
    ``Idavidrein/gpqa``, config ``gpqa_diamond`` (CC-BY-4.0; gated: accept its terms on the Hub and log
    in). Two versions, whose scores should not be compared: split ``train`` orders the options as NeMo
    Gym's server does (one generator over the whole set), split ``benchmark`` as its benchmark does (a
    generator for each question). Task ids name the version. The bundled tasks are gym_llm's own (Apache
    2.0).
    ## Version history
    - v0: first version.
    """

    row_model = GPQARow
    data = "gpqa_diamond"
    splits: ClassVar = {
        "train": HubSplit("Idavidrein/gpqa", "gpqa_diamond"),
        "benchmark": HubSplit("Idavidrein/gpqa", "gpqa_diamond", adapt=adapt_question_order),
    }
    verifier_class = AnswerLetter
    adapt = staticmethod(adapt_server_order)

    def example_actions(self) -> list[str]:
        """Return each option's letter after ``Answer:``."""
        return [f"Answer: {letter}" for letter in self.episode.task.row.letters]
