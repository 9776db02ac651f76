"""Waits before retries."""

import pytest

from gym_llm.models.failures import retry_after_s, status_failure
from gym_llm.models.retries import MAX_DELAY_S, delay_s


@pytest.mark.parametrize(
    ("attempt", "asked", "least", "most"),
    [
        pytest.param(0, None, 0.25, 0.5, id="first"),
        pytest.param(3, None, 2.0, 4.0, id="doubles"),
        pytest.param(10**6, None, MAX_DELAY_S / 2, MAX_DELAY_S, id="bounded"),
        pytest.param(0, 7.0, 7.0, 7.7, id="asked"),
        pytest.param(0, 1e9, MAX_DELAY_S, 1.1 * MAX_DELAY_S, id="asked-for-too-long"),
        pytest.param(5, 0.0, 0.0, 0.0, id="at-once"),
    ],
)
def test_wait(attempt: int, asked: float | None, least: float, most: float) -> None:
    waits = [delay_s(attempt, 0.5, asked) for _ in range(100)]
    assert least <= min(waits) <= max(waits) <= most
    assert len(set(waits)) > 1 or asked == 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="seconds"),
        pytest.param({"retry-after-ms": "250", "retry-after": "1"}, 0.25, id="milliseconds"),
        pytest.param({"retry-after": "-3"}, 0.0, id="negative"),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0, id="past"),
        pytest.param({"retry-after": "soon"}, None, id="nonsense"),
        pytest.param({"retry-after": "Wed, 99 Oct 2015"}, None, id="no-such-date"),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "Too many.", "code": "context_length_exceeded"}}',
        b'{"error": {"message": "This model\'s maximum context length is 4096 tokens."}}',
        b'{"message": "The decoder prompt (length 9) is longer than the maximum model length of 8."}',
        b"prompt is too long: 9 tokens > 8 maximum",
        b'{"error": "the request exceeds the available context size"}',
    ],
)  # fmt: skip
def test_context_that_is_too_long_is_a_cause_of_its_own(body: bytes) -> None:
    failed = status_failure(400, body, {})
    assert (failed.cause, failed.is_transient) == ("context too long", False)
    assert status_failure(500, body, {}).cause == "HTTP 500"
