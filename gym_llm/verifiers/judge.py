"""Judge: ask a model to grade, from plain code; what every verifier with a judge shares.

A verifier keeps the judge's configuration as its field ``judge`` and builds the `Judge` from it. Nothing
here holds a connection, so verifiers pickle and fork; the calls of all verifiers of a process meet on
the loop of `gym_llm.models.background`.
"""

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from gym_llm.errors import ConfigError, JudgeError, ModelError
from gym_llm.extraction import ReasoningRule, strip_reasoning
from gym_llm.messages import Message
from gym_llm.models import Client, Endpoint, Usage, background
from gym_llm.verification import judge_seeds

logger = logging.getLogger(__name__)

ENV_PREFIX = "GYM_LLM_JUDGE_"
MAX_CANDIDATE_CHARS = 200_000
"""Longer texts are cut in their middle before a judge sees them."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w{1,64})\}")


@dataclass(frozen=True)
class JudgeReply:
    """What a judge answered."""

    text: str
    """Without inline reasoning, stripped: what verdicts are read from."""
    raw: str
    """As the judge wrote it."""
    reasoning: str | None
    usage: Usage
    latency_s: float


@dataclass(frozen=True)
class Evaluation:
    """One judge call: what was asked, what came back, and the verdict in it."""

    request: list[Message]
    reply: JudgeReply
    verdict: str | None
    """None when the reply has no readable verdict."""


@dataclass(frozen=True)
class Judge:
    """A model that grades."""

    endpoint: Endpoint

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any] | None,
        params: Mapping[str, Any] | None = None,
        max_concurrency: int = 64,
    ) -> "Judge":
        """Build the judge that a verifier's ``judge`` field describes.

        Args:
            config: fields of `gym_llm.models.Endpoint`; None reads ``GYM_LLM_JUDGE_BASE_URL``,
                ``_MODEL`` and ``_API_KEY``.
            params: request parameters where the configuration has none; the temperature is 0 by default.
            max_concurrency: calls in flight where the configuration does not say.

        Raises:
            ConfigError: no judge is configured, or not one that can work.
        """
        given = dict(_from_environment() if config is None else config)
        if isinstance(own := given.get("params", {}), Mapping):
            given["params"] = {"temperature": 0.0, **(params or {}), **own}
        endpoint = Endpoint.from_config({"max_concurrency": max_concurrency, **given})
        endpoint.key()  # a key that is missing shows now, not with the first grade
        return cls(endpoint)

    def ask(self, messages: list[Message]) -> JudgeReply:
        """Ask once.

        Raises:
            JudgeError: no answer after the retries.
        """
        return self.ask_all([messages])[0]

    def ask_all(self, conversations: Sequence[list[Message]]) -> list[JudgeReply]:
        """Ask several questions at the same time; the replies are in the order of the questions.

        Raises:
            JudgeError: one of them has no answer; the others are waited for first.
        """
        # Read here: the loop runs in another thread, which has a context of its own.
        seeds = judge_seeds.get() if self.endpoint.send_seed else None
        params = [{} if seeds is None else {"seed": next(seeds)} for _ in conversations]
        client = background.client_for(self.endpoint)
        return background.run(_ask_all(client, list(zip(conversations, params, strict=True))))

    def evaluate(self, messages: list[Message], parse: Callable[[str], str | None]) -> Evaluation:
        """Ask once and read the verdict.

        Raises:
            JudgeError: no answer after the retries.
        """
        reply = self.ask(messages)
        return Evaluation(messages, reply, parse(reply.text))


def _from_environment() -> dict[str, Any]:
    found = {
        name: value
        for name in ("base_url", "model", "api_key")
        if (value := os.environ.get(ENV_PREFIX + name.upper()))
    }
    if not {"base_url", "model"} <= found.keys():
        raise ConfigError(
            "no judge is configured: give judge={'base_url': ..., 'model': ...}, or set "
            f"{ENV_PREFIX}BASE_URL and {ENV_PREFIX}MODEL (and {ENV_PREFIX}API_KEY)"
        )
    return found


_Question = tuple[list[Message], dict[str, int]]
"""Messages and parameters."""


async def _ask_all(client: Client, questions: Sequence[_Question]) -> list[JudgeReply]:
    replies = await asyncio.gather(*(_ask(client, *q) for q in questions), return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return [reply for reply in replies if isinstance(reply, JudgeReply)]


async def _ask(client: Client, messages: list[Message], params: Mapping[str, int]) -> JudgeReply:
    try:
        completion = await client.complete(messages, params=params)
    except ModelError as error:
        raise JudgeError(f"{type(error).__name__}: {error}") from error
    logger.debug("judge %s answered in %.3f s", completion.model, completion.latency_s)
    raw = completion.message.content
    text = strip_reasoning(raw, "strip").strip()
    return JudgeReply(text, raw, completion.message.reasoning, completion.usage, completion.latency_s)


def prompt(template: str, system: str | None = None, **values: str) -> list[Message]:
    """Return a judge's messages: the filled template, after a system message where there is one."""
    head = [{"role": "system", "content": system}] if system else []
    return [*head, {"role": "user", "content": fill(template, values)}]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of ``{name}``; doubled braces become single, other braces stay as they are.

    >>> fill("{answer} {{x}} {other} {", {"answer": "{x}"})
    '{x} {x} {other} {'
    """

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        return values.get(name, match.group()) if name else match.group()[0]

    return _PLACEHOLDER.sub(replacement, template)


def fence(label: str, text: str) -> str:
    r"""Put a text between two lines that it cannot contain, so that it cannot pretend to end.

    The marker is a digest of the text: the same call gives the same prompt, and no text can hold the
    digest of itself. Texts above ``MAX_CANDIDATE_CHARS`` lose their middle.

    >>> fence("answer", "42")
    '<<<answer 73475cb40a568e8d>>>\n42\n<<<end of answer 73475cb40a568e8d>>>'
    """
    if len(text) > MAX_CANDIDATE_CHARS:
        half = MAX_CANDIDATE_CHARS // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
    mark = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return f"<<<{label} {mark}>>>\n{text}\n<<<end of {label} {mark}>>>"


def check_reasoning_rule(rule: str) -> None:
    """Refuse a ``strip_reasoning`` option that is no rule of `gym_llm.extraction`.

    Raises:
        ConfigError: naming the rules.
    """
    if rule not in get_args(ReasoningRule):
        raise ConfigError(f"strip_reasoning must be one of {get_args(ReasoningRule)}, got {rule!r}")


def is_injection_suspect(text: str, labels: Iterable[str]) -> bool:
    """Tell whether a candidate holds one of the judge's verdict labels, in any case."""
    lower = text.lower()
    return any(label.lower() in lower for label in labels)


def report(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the fields that every verifier with a judge reports, in the order of the calls.

    Latencies are left out, so that the same replies give the same record.
    """
    usages = [evaluation.reply.usage for evaluation in evaluations]
    tokens = [n for u in usages for n in (u.input_tokens, u.output_tokens) if n is not None]
    return {
        "judge_calls": len(evaluations),
        "judge_verdicts": [e.verdict for e in evaluations],
        "judge_tokens": sum(tokens),
        "judge_evaluations": [
            {"request": e.request, "response": e.reply.raw, "verdict_label": e.verdict}
            for e in evaluations
        ],
    }
