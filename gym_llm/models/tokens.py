"""Token ids and log probabilities of one turn, as servers for training send them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TurnTokens:
    """What the server read and wrote for one turn."""

    prompt_token_ids: list[int]
    """The whole prompt, after the chat template."""
    token_ids: list[int]
    """Generated."""
    logprobs: list[float | None]
    """Of the generated tokens, each None where the server did not send them."""


def read_tokens(reply: Mapping[str, Any]) -> TurnTokens | None:
    """Read the tokens of a reply; None when it does not hold those of the prompt and the answer.

    Two forms are known. vLLM's, for requests with ``"return_token_ids": true``: ``prompt_token_ids`` in
    the reply or its choice, ``token_ids`` in the choice, and log probabilities where the chat API has
    them (``"logprobs": true``). NeMo Gym's: ``prompt_token_ids``, ``generation_token_ids`` and
    ``generation_log_probs`` in the message, of the chat or the Responses API.
    """
    for part in _parts(reply):
        prompt = _ids(part.get("prompt_token_ids"))
        made = _ids(part.get("generation_token_ids") or part.get("token_ids"))
        if prompt is not None and made is not None:
            return TurnTokens(prompt, made, _logprobs(part, len(made)))
    return None


def _parts(reply: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what may hold the tokens of a turn."""
    choices, output = reply.get("choices"), reply.get("output")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        choice = choices[0]
        if isinstance(choice.get("message"), dict):
            yield choice["message"]
        yield {"prompt_token_ids": reply.get("prompt_token_ids"), **choice}
    if isinstance(output, list):
        # Of several items of a turn, the last one has all tokens.
        yield from (item for item in reversed(output) if isinstance(item, dict))


def _ids(values: Any) -> list[int] | None:
    is_list = isinstance(values, list) and all(type(value) is int for value in values)
    return values if is_list else None


def _logprobs(part: Mapping[str, Any], count: int) -> list[float | None]:
    values = part.get("generation_log_probs")
    if values is None and isinstance(logprobs := part.get("logprobs"), dict):
        content = logprobs.get("content")
        if isinstance(content, list):
            values = [token.get("logprob") if isinstance(token, dict) else None for token in content]
    if not isinstance(values, list) or len(values) != count:
        return [None] * count
    return [float(value) if isinstance(value, int | float) else None for value in values]
