"""Token ids of a rollout, joined over its turns, each stored once."""

from collections.abc import Iterable

from gym_llm.models import Completion
from gym_llm.rollouts.records import TokenSegment


def segments(turns: Iterable[Completion]) -> list[TokenSegment]:
    """Join the turns of one rollout into segments that a trainer can take as they are.

    Where the prompt of a turn begins with all tokens before it, only its rest is added, with mask 0, and
    then what the model generated, with mask 1. Otherwise (the chat template drops earlier thoughts, or
    writes the model's text in other tokens) a new segment starts, so that no token is trained on in a
    context that the model did not see.

    Args:
        turns: in order; one without token ids becomes part of the next prompt.
    """
    found: list[TokenSegment] = []
    for turn in (completion.tokens for completion in turns):
        if turn is None:
            continue
        prompt = turn.prompt_token_ids
        so_far = found[-1].token_ids if found else []
        if not found or prompt[: len(so_far)] != so_far:
            found.append(TokenSegment(token_ids=[], loss_mask=[], logprobs=[]))
            so_far = []
        _extend(found[-1], prompt[len(so_far) :], 0, [None] * (len(prompt) - len(so_far)))
        _extend(found[-1], turn.token_ids, 1, turn.logprobs)
    return found


def _extend(
    segment: TokenSegment, token_ids: list[int], mask: int, logprobs: list[float | None]
) -> None:
    segment.token_ids.extend(token_ids)
    segment.loss_mask.extend([mask] * len(token_ids))
    segment.logprobs.extend(logprobs)
