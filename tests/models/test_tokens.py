"""Token ids and log probabilities in replies."""

from typing import Any

import pytest

from gym_llm.models import TurnTokens
from gym_llm.models.tokens import read_tokens

LOGPROBS = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1}]}


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        pytest.param(
            {"prompt_token_ids": [1, 2], "choices": [{"token_ids": [3, 4], "logprobs": LOGPROBS}]},
            TurnTokens([1, 2], [3, 4], [-0.5, -1.0]),
            id="vllm",
        ),
        pytest.param(
            {"choices": [{"prompt_token_ids": [1], "token_ids": [3]}]},
            TurnTokens([1], [3], [None]),
            id="prompt-in-the-choice",
        ),
        pytest.param(
            {"prompt_token_ids": [1], "choices": [{"token_ids": [3], "logprobs": LOGPROBS}]},
            TurnTokens([1], [3], [None]),
            id="logprobs-of-other-length",
        ),
        pytest.param(
            {
                "choices": [
                    {
                        "message": {
                            "prompt_token_ids": [1],
                            "generation_token_ids": [2, 3],
                            "generation_log_probs": [-1.5, -2.5],
                        }
                    }
                ]
            },
            TurnTokens([1], [2, 3], [-1.5, -2.5]),
            id="nemo-gym-chat",
        ),
        pytest.param(
            {
                "output": [
                    {"type": "reasoning"},
                    {
                        "type": "message",
                        "prompt_token_ids": [1],
                        "generation_token_ids": [2],
                        "generation_log_probs": [-1.5],
                    },
                ]
            },
            TurnTokens([1], [2], [-1.5]),
            id="nemo-gym-responses",
        ),
        pytest.param({"choices": [{"message": {"content": "Hi"}}]}, None, id="none"),
        pytest.param({"choices": [{"token_ids": [3]}]}, None, id="no-prompt"),
        pytest.param(
            {"prompt_token_ids": ["a"], "choices": [{"token_ids": [3]}]}, None, id="no-numbers"
        ),
        pytest.param({"choices": 3, "output": "x"}, None, id="nonsense"),
    ],
)
def test_tokens_of_a_reply(reply: dict[str, Any], tokens: TurnTokens | None) -> None:
    assert read_tokens(reply) == tokens
