"""OpenAITransport: requests by OpenAI's client, for servers that need what only it does."""

import json
from typing import TYPE_CHECKING, Any

from gym_llm.models.endpoint import Endpoint
from gym_llm.models.failures import (
    MAX_ERROR_BYTES,
    MAX_REPLY_BYTES,
    FailedAttemptError,
    connection_lost,
    no_connection,
    read_json,
    reply_too_large,
    status_failure,
    too_late,
)
from gym_llm.models.transport import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    import openai


class OpenAITransport:
    """Posts by ``openai.AsyncOpenAI``.

    Args:
        endpoint: where to.
        client: a client of your own, such as ``openai.AsyncAzureOpenAI`` with a token provider; its
            retries should be off.
    """

    def __init__(self, endpoint: Endpoint, client: "openai.AsyncOpenAI | None" = None) -> None:
        import openai

        self._connect_timeout_s = min(CONNECT_TIMEOUT_S, endpoint.timeout_s)
        self._client = client or _client_of(endpoint, self._connect_timeout_s)
        resource: Any = (
            self._client.chat.completions if endpoint.api == "chat" else self._client.responses
        )
        self._create = resource.with_streaming_response.create
        # What ``create`` wants by name; the body brings their values.
        self._options: dict[str, Any] = {
            "model": endpoint.model,
            "messages" if endpoint.api == "chat" else "input": [],
        }
        if client is None and "Authorization" not in endpoint.request_headers():
            # The client would send the key as a bearer token too.
            self._options["extra_headers"] = {"Authorization": openai.Omit()}

    async def post(self, body: bytes, *, on_new_connection: bool = False) -> dict[str, Any]:
        import aiohttp
        import openai

        try:
            async with self._create(**self._options, extra_body=json.loads(body)) as response:
                # Read by hand: the client itself would read a reply of any size.
                parts, size = [], 0
                async for part in response.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > MAX_REPLY_BYTES:
                        raise reply_too_large()
        except openai.APIStatusError as error:
            text = error.response.content[:MAX_ERROR_BYTES]
            raise status_failure(error.status_code, text, error.response.headers) from None
        except (openai.APIConnectionError, aiohttp.ClientError) as error:
            raise self._connection_failure(error) from None
        return read_json(b"".join(parts))

    def _connection_failure(self, error: Exception) -> FailedAttemptError:
        import aiohttp

        # The client reports most failures as timeouts; what happened is in the causes.
        causes: list[BaseException] = [error]
        while cause := causes[-1].__cause__:
            causes.append(cause)
        for cause in causes:
            if isinstance(cause, aiohttp.ClientConnectorError):
                return no_connection(cause)
            if isinstance(cause, aiohttp.ServerTimeoutError):
                return too_late("connection", self._connect_timeout_s)
        return connection_lost(causes[-1])

    async def close(self) -> None:
        await self._client.close()


def _client_of(endpoint: Endpoint, connect_timeout_s: float) -> "openai.AsyncOpenAI":
    import openai

    slots = endpoint.max_concurrency
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=slots, max_keepalive_connections=slots
    )
    return openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.key() or "none",
        default_headers=endpoint.request_headers(),
        default_query={"api-version": endpoint.api_version} if endpoint.api_version else None,
        max_retries=0,
        timeout=openai.Timeout(endpoint.timeout_s, connect=connect_timeout_s),
        # The stock transport needs several times the CPU when hundreds of calls are in flight. A
        # redirect would take the key with it.
        http_client=openai.DefaultAioHttpClient(limits=limits, follow_redirects=False),
    )
