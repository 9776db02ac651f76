"""Client: calls one endpoint from asyncio, with deadlines, retries and a limit on calls in flight."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gym_llm.errors import EndpointDownError, ModelError
from gym_llm.messages import AssistantMessage, Message
from gym_llm.models.cache import ResponseCache
from gym_llm.models.endpoint import Endpoint
from gym_llm.models.failures import FailedAttemptError, too_late
from gym_llm.models.retries import RetryBudget, delay_s
from gym_llm.models.tokens import TurnTokens, read_tokens
from gym_llm.models.transport import Transport, transport_of
from gym_llm.models.wire import Usage, encode, read_reply, request_body

logger = logging.getLogger(__name__)


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
    """The reply's JSON, for what only some servers send."""
    attempts: int = 1
    """Requests that were sent for it; 0 for an answer from the cache."""
    is_cached: bool = False
    cost: float | None = None
    """In the currency of the endpoint's prices; None without them, 0.0 from the cache."""
    tokens: TurnTokens | None = None
    """Token ids of the prompt and the answer, where the server sent them."""

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, in the words of the chat API."""
        return self.message.finish_reason


class Client:
    """Calls one endpoint; all calls of a client must come from one event loop.

    Args:
        endpoint: where and how.
        cache: answers that need not be asked for again.
        transport: another than the endpoint names.

    Raises:
        ConfigError: a variable that should hold the key is not set.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        cache: ResponseCache | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.requests = 0
        """Sent so far, repeated ones included."""
        self.failed_attempts: Counter[str] = Counter()
        """Requests without a usable answer, by cause, those included that a retry made good."""
        self._cache = cache
        self._transport = transport or transport_of(endpoint)
        self._place = f"{endpoint.model} at {endpoint.base_url}"
        self._prices = endpoint.price_table()
        self._secrets = endpoint.secrets()
        self._slots = asyncio.Semaphore(endpoint.max_concurrency)
        self._budget = RetryBudget(endpoint.retry_ratio)

    async def complete(
        self,
        messages: list[Message],
        tools: list[Message] | None = None,
        params: Mapping[str, Any] | None = None,
        cache_salt: str = "",
    ) -> Completion:
        """Ask for one assistant turn.

        Args:
            messages: in the form of the chat API, whichever API the endpoint has.
            tools: in the form of the chat API.
            params: added to the endpoint's parameters; None leaves one of them out.
            cache_salt: tells equal requests apart that must have answers of their own (repeats).

        Raises:
            EndpointDownError: nothing listens, or the server refuses the key or the model.
            ModelError: no answer after the retries, or one that cannot be read.
        """
        endpoint = self.endpoint
        merged = {**endpoint.params, **(params or {})}
        body = request_body(
            endpoint.api, endpoint.model, messages, tools, merged, endpoint.developer_role
        )
        body |= endpoint.extra_body
        if self._cache is None:
            return await self._ask(encode(body))
        key = self._cache.key(endpoint.base_url, endpoint.api, body, cache_salt)
        found = self._cache.get(key)
        if found is not None:
            with contextlib.suppress(FailedAttemptError):  # not one that we stored: asked for again
                return replace(self._completion(found, 0.0, 0), is_cached=True, cost=0.0)
        completion = await self._ask(encode(body))
        await self._cache.put(key, completion.raw)
        return completion

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _ask(self, body: bytes) -> Completion:
        """Send a request until it has an answer or may not be repeated any more."""
        self._budget.deposit()
        started, sent, attempt, is_stale = 0.0, 0, 0, False
        while True:
            async with self._slots:  # given back for the waits
                started = started or time.monotonic()
                sent += 1
                self.requests += 1
                try:
                    reply = await self._post(body, is_stale)
                    return self._completion(reply, time.monotonic() - started, sent)
                except FailedAttemptError as error:
                    failed = error
            self.failed_attempts[failed.cause] += 1
            # The server never saw the request, or at worst answers it twice: repeated once for nothing.
            is_stale = failed.is_stale and not is_stale
            if is_stale:
                continue
            if not failed.is_transient or attempt == self.endpoint.max_retries:
                raise self._error(failed, sent)
            if not self._budget.take():
                raise self._error(failed, sent, ", the retry budget is used up")
            wait_s = delay_s(attempt, self.endpoint.retry_delay_s, failed.retry_after_s)
            attempt += 1
            logger.debug("%s: retry %d in %.1f s after: %s", self._place, attempt, wait_s, failed.cause)
            await asyncio.sleep(wait_s)

    async def _post(self, body: bytes, on_new_connection: bool) -> dict[str, Any]:
        timeout_s = self.endpoint.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._transport.post(body, on_new_connection=on_new_connection)
        except TimeoutError:
            raise too_late("answer", timeout_s) from None

    def _completion(self, reply: dict[str, Any], latency_s: float, attempts: int) -> Completion:
        try:
            message, usage = read_reply(self.endpoint.api, reply)
        except ValueError as error:
            raise FailedAttemptError("malformed reply", str(error)) from None
        model = reply.get("model")
        return Completion(
            message,
            usage,
            latency_s,
            model if isinstance(model, str) else self.endpoint.model,
            reply,
            attempts,
            cost=self._prices.cost(usage) if self._prices else None,
            tokens=read_tokens(reply),
        )

    def _error(self, failed: FailedAttemptError, sent: int, more: str = "") -> ModelError:
        kind = EndpointDownError if failed.is_down else ModelError
        tries = f" ({sent} attempt{'s' if sent > 1 else ''}{more})" if sent > 1 or more else ""
        text = f"{self._place}: {failed}{tries}"
        for secret in self._secrets:
            # Servers repeat a key that they refuse.
            text = text.replace(secret, "***")
        return kind(text, kind=failed.kind, cause=failed.cause, attempts=sent)
