"""Transport: carries one request to an endpoint and brings one reply; who retries is above it.

`AiohttpTransport` needs a quarter of the CPU of OpenAI's client and is the default.
"""

import functools
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from gym_llm.errors import ConfigError
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
from gym_llm.models.wire import PATHS

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT_S = 10.0

STALE_WITHIN_S = 1.0
"""A connection that the server had closed before the request came breaks at once, not after a while."""


class Transport(Protocol):
    """Carries requests; all of them from one event loop."""

    async def post(self, body: bytes, *, on_new_connection: bool = False) -> dict[str, Any]:
        """Send a request's JSON and return the reply's.

        Args:
            body: UTF-8.
            on_new_connection: use none that served a request before.

        Raises:
            FailedAttemptError: no usable reply.
        """

    async def close(self) -> None:
        """Close the connections."""


def transport_of(endpoint: Endpoint) -> Transport:
    """Return the transport that an endpoint names."""
    if endpoint.transport == "openai":
        from gym_llm.models.openai_transport import OpenAITransport

        return OpenAITransport(endpoint)
    return AiohttpTransport(endpoint)


# Whether the request of this task had a connection made for it.
_is_connection_new: ContextVar[bool] = ContextVar("is_connection_new")


class AiohttpTransport:
    """Posts over aiohttp, with as many connections as calls may be in flight."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = f"{endpoint.base_url.rstrip('/')}{PATHS[endpoint.api]}"
        if endpoint.api_version:
            self._url += f"?api-version={endpoint.api_version}"
        self._headers = {"content-type": "application/json", **endpoint.request_headers()}
        self._limit = endpoint.max_concurrency
        self._connect_timeout_s = min(CONNECT_TIMEOUT_S, endpoint.timeout_s)
        # Looked up once: aiohttp's own look-up reads files in a thread for each request, which costs
        # twice what the request does.
        self._proxy = _proxy_for(self._url)
        self._posts: dict[bool, Callable[..., Any]] = {}
        self._sessions: list[aiohttp.ClientSession] = []

    async def post(self, body: bytes, *, on_new_connection: bool = False) -> dict[str, Any]:
        import aiohttp

        send = self._posts.get(on_new_connection) or self._open(on_new_connection)
        _is_connection_new.set(False)
        started = time.monotonic()
        try:
            async with send(data=body) as response:
                if not 200 <= response.status < 300:
                    text, _ = await _read(response, MAX_ERROR_BYTES)
                    raise status_failure(response.status, text, response.headers)
                reply, is_whole = await _read(response, MAX_REPLY_BYTES)
        except (aiohttp.ServerTimeoutError, aiohttp.ConnectionTimeoutError):
            raise too_late("connection", self._connect_timeout_s) from None
        except aiohttp.ClientConnectorError as error:
            raise no_connection(error) from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            has_begun = not isinstance(getattr(error, "message", ""), str)
            is_quick = time.monotonic() - started < STALE_WITHIN_S
            if has_begun or _is_connection_new.get() or not is_quick:
                raise connection_lost(error) from None
            cause = "idle connection closed"
            raise FailedAttemptError(cause, str(error), is_transient=True, is_stale=True) from None
        except aiohttp.ClientError as error:
            raise connection_lost(error) from None
        if not is_whole:
            raise reply_too_large()
        return read_json(reply)

    def _open(self, on_new_connection: bool) -> Callable[..., Any]:
        """Make a session, which aiohttp allows only in a running loop; return how it posts."""
        import aiohttp
        from yarl import URL

        class Connector(aiohttp.TCPConnector):
            """Notes which requests had to wait for a new connection; tracing them costs more."""

            async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
                _is_connection_new.set(True)
                return await super()._create_connection(*args, **kwargs)

        session = aiohttp.ClientSession(
            connector=Connector(limit=self._limit, force_close=on_new_connection),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            headers=self._headers,
        )
        self._sessions.append(session)
        post = functools.partial(session.post, URL(self._url), allow_redirects=False, proxy=self._proxy)
        self._posts[on_new_connection] = post
        return post

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()


async def _read(response: "aiohttp.ClientResponse", limit: int) -> tuple[bytes, bool]:
    """Return a body, at most ``limit`` bytes and a part, and whether that is all of it."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            response.close()
            return b"".join(parts), False
    return b"".join(parts), True


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL (``HTTPS_PROXY``, ``NO_PROXY``, ...).

    Raises:
        ConfigError: a kind of proxy that cannot be used.
    """
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    if not proxy.startswith(("http://", "https://")):
        scheme = proxy.partition("://")[0]
        raise ConfigError(f"the proxy for {parts.netloc} must be an http:// one, got {scheme}://...")
    return proxy
