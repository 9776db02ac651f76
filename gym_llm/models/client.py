"""Client: calls one endpoint from asyncio, with deadlines, retries and a limit on calls in flight."""

import asyncio
import email.utils
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gym_llm.errors import EndpointDownError, ModelError
from gym_llm.messages import AssistantMessage, Message
from gym_llm.models.endpoint import Endpoint
from gym_llm.models.wire import PATHS, Usage, read_reply, request_body

if TYPE_CHECKING:
    import openai

MAX_DELAY_S = 60.0
"""Longest wait before a retry, whatever the server asks for."""

CONNECT_TIMEOUT_S = 10.0

_TRANSIENT = frozenset({408, 409, 429})
_REFUSED = frozenset({401, 403, 404})
# Jitter must not touch the generator that a training script seeds.
_jitter = random.SystemRandom()


@dataclass(frozen=True)
class Completion:
    """One answer of a model."""

    message: AssistantMessage
    usage: Usage
    latency_s: float
    """From the first attempt to the answer, waits between attempts included."""
    model: str
    """As the server names it."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The reply's JSON, for what only some servers send (log probabilities, token ids)."""


class Client:
    """Calls one endpoint; all calls of a client must come from one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        import openai

        self.endpoint = endpoint
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
            max_connections=endpoint.max_concurrency, max_keepalive_connections=endpoint.max_concurrency
        )
        self._api = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.key(),
            max_retries=0,
            timeout=openai.Timeout(
                endpoint.timeout_s, connect=min(CONNECT_TIMEOUT_S, endpoint.timeout_s)
            ),
            # The stock transport needs several times the CPU when hundreds of calls are in flight.
            http_client=openai.DefaultAioHttpClient(limits=limits),
        )
        self._place = f"{endpoint.model} at {endpoint.base_url}"
        self._slots = asyncio.Semaphore(endpoint.max_concurrency)

    async def complete(
        self,
        messages: list[Message],
        tools: list[Message] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Ask for one assistant turn.

        Args:
            messages: in the form of the chat API, whichever API the endpoint has.
            tools: in the form of the chat API.
            params: added to the endpoint's parameters; None leaves one of them out.

        Raises:
            EndpointDownError: nothing listens, or the server refuses the key or the model.
            ModelError: no answer after the retries, or one that cannot be read.
        """
        endpoint = self.endpoint
        merged = {**endpoint.params, **(params or {})}
        body = request_body(
            endpoint.api, endpoint.model, messages, tools, merged, endpoint.developer_role
        )
        async with self._slots:
            started = time.monotonic()
            reply = await self._post(body)
            latency_s = time.monotonic() - started
        try:
            message, usage = read_reply(endpoint.api, reply)
        except ValueError as error:
            raise ModelError(f"{self._place}: malformed reply: {error}") from error
        model = reply.get("model")
        return Completion(
            message, usage, latency_s, model if isinstance(model, str) else endpoint.model, reply
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _post(self, body: dict[str, Any]) -> Any:
        attempts = self.endpoint.max_retries + 1
        for attempt in range(attempts):
            try:
                return await self._attempt(body)
            except _FailedAttemptError as failed:
                if not failed.is_transient or attempt == attempts - 1:
                    kind = EndpointDownError if failed.is_down else ModelError
                    tries = f" ({attempt + 1} attempts)" if attempt else ""
                    raise kind(f"{self._place}: {failed}{tries}") from failed.__cause__
                delay_s = failed.retry_after_s
                if delay_s is None:
                    delay_s = self.endpoint.retry_delay_s * 2**attempt * _jitter.uniform(0.5, 1.0)
                await asyncio.sleep(min(delay_s, MAX_DELAY_S))
        raise AssertionError("unreachable")

    async def _attempt(self, body: dict[str, Any]) -> Any:
        import aiohttp
        import openai

        try:
            async with asyncio.timeout(self.endpoint.timeout_s):
                # As JSON: typed replies cost more CPU and would drop what only some servers send.
                return await self._api.post(PATHS[self.endpoint.api], cast_to=object, body=body)
        except TimeoutError as error:
            reason = f"no answer within {self.endpoint.timeout_s} s"
            raise _FailedAttemptError(reason, is_transient=True) from error
        except (openai.APIConnectionError, aiohttp.ClientError) as error:
            raise _connection_failure(error) from error
        except openai.APIStatusError as error:
            raise _status_failure(error) from error
        except (openai.APIError, ValueError, RecursionError) as error:
            raise _FailedAttemptError(f"malformed reply: {error}", is_transient=False) from error


class _FailedAttemptError(Exception):
    def __init__(
        self,
        reason: str,
        *,
        is_transient: bool,
        is_down: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.is_transient, self.is_down, self.retry_after_s = is_transient, is_down, retry_after_s


def _connection_failure(error: Exception) -> _FailedAttemptError:
    import aiohttp

    # The transport reports most failures as timeouts; what happened is in the causes.
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__:
        causes.append(cause)
    is_down = any(isinstance(c, aiohttp.ClientConnectorError) for c in causes)
    reason = "nothing listens" if is_down else "no answer or connection lost"
    detail = str(causes[-1]) or type(causes[-1]).__name__
    return _FailedAttemptError(f"{reason}: {detail}", is_transient=True, is_down=is_down)


def _status_failure(error: "openai.APIStatusError") -> _FailedAttemptError:
    status = error.status_code
    return _FailedAttemptError(
        f"HTTP {status}: {str(error)[:500]}",
        is_transient=status in _TRANSIENT or status >= 500,
        is_down=status in _REFUSED,
        retry_after_s=_retry_after_s(error.response.headers.get("retry-after")),
    )


def _retry_after_s(header: str | None) -> float | None:
    """Read a Retry-After header, which holds seconds or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
