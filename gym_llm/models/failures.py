"""What can go wrong with one request to a model's server, and whether to ask again."""

import email.utils
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

MAX_REPLY_BYTES = 64 * 2**20
"""Longer replies are refused: they would be a broken server's, and all in flight are in memory."""

MAX_ERROR_BYTES = 64 * 2**10
"""What is read of the body of an error."""

_TRANSIENT = frozenset({408, 409, 429})
_REFUSED = frozenset({401, 403, 404})
# How servers say that a conversation does not fit: OpenAI and vLLM, Anthropic behind a gateway, SGLang,
# llama.cpp, TGI.
_TOO_LONG = re.compile(
    r"context_length_exceeded|(?:maximum|model's) context length|context window|prompt is too long"
    r"|longer than the (?:model's context|maximum model) length|exceeds? the available context size"
    r"|inputs. tokens \+ .max_new_tokens",
    re.IGNORECASE,
)


class FailedAttemptError(Exception):
    """One request without a usable answer.

    Args:
        cause: a few words that are the same for the same cause.
        detail: what else is known.
        kind: as in `gym_llm.errors.ModelError`.
        is_transient: whether the same request may succeed later.
        is_down: whether no request to this endpoint can succeed.
        is_stale: whether the server had closed an idle connection before it saw the request.
        retry_after_s: how long the server asks to wait.
    """

    def __init__(
        self,
        cause: str,
        detail: str = "",
        *,
        kind: Literal["model_http", "model_timeout"] = "model_http",
        is_transient: bool = False,
        is_down: bool = False,
        is_stale: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause, self.kind = cause, kind
        self.is_transient, self.is_down, self.is_stale = is_transient, is_down, is_stale
        self.retry_after_s = retry_after_s


def too_late(what: str, seconds: float) -> FailedAttemptError:
    """Return the failure of a request whose deadline passed."""
    detail = f"no {what} within {seconds:g} s"
    return FailedAttemptError("no answer in time", detail, kind="model_timeout", is_transient=True)


def connection_lost(error: BaseException) -> FailedAttemptError:
    """Return the failure of a request whose connection broke."""
    return FailedAttemptError("connection lost", str(error) or type(error).__name__, is_transient=True)


def no_connection(error: BaseException) -> FailedAttemptError:
    """Return the failure of a request for which no connection could be made."""
    import aiohttp

    detail = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return FailedAttemptError("TLS failed", detail, is_down=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FailedAttemptError("unknown host", detail, is_transient=True, is_down=True)
    return FailedAttemptError("nothing listens", detail, is_transient=True, is_down=True)


def reply_too_large() -> FailedAttemptError:
    """Return the failure of a request whose reply goes beyond the limit."""
    return FailedAttemptError("reply too large", f"more than {MAX_REPLY_BYTES >> 20} MB")


def status_failure(status: int, body: bytes, headers: Mapping[str, str]) -> FailedAttemptError:
    """Return the failure that an HTTP status says; redirects are failures, the key stays here."""
    text = _error_text(body)
    if 300 <= status < 400:
        text = f"redirects to {headers.get('location', 'nowhere')[:200]}, which is not followed"
    is_too_long = status in (400, 413, 422) and _TOO_LONG.search(text) is not None
    return FailedAttemptError(
        "context too long" if is_too_long else f"HTTP {status}",
        f"HTTP {status}: {text}" if is_too_long else text[:500],
        is_transient=status in _TRANSIENT or status >= 500,
        is_down=status in _REFUSED,
        retry_after_s=retry_after_s(headers),
    )


def _error_text(body: bytes) -> str:
    """Return the message of an error body, which is JSON in the form of OpenAI's or anything else."""
    text = body[:MAX_ERROR_BYTES].decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        # A code in words is the only sign that some servers give of a context that is too long.
        found = [error.get("message"), error.get("code")] if isinstance(error, dict) else [error]
        text = " ".join(part for part in found if isinstance(part, str)) or text
    except (ValueError, RecursionError, KeyError, TypeError):
        pass
    return " ".join(text[:2000].split())


def read_json(body: bytes) -> dict[str, Any]:
    """Read a reply's JSON object.

    Raises:
        FailedAttemptError: it is none, or an error that came with a good status.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        # Such bodies come from what stands between us and the model, and that for a while.
        detail = f"{type(error).__name__}: {error}: {body[:200].decode('utf-8', 'replace')}"
        raise FailedAttemptError("malformed reply", detail, is_transient=True) from None
    if not isinstance(reply, dict):
        detail = f"expected a JSON object, got {str(reply)[:200]}"
        raise FailedAttemptError("malformed reply", detail)
    reported = reply.get("error")
    code = reported.get("code") if isinstance(reported, dict) else None
    if isinstance(code, int) and 400 <= code < 600:
        # Gateways find out about the server behind them after they have answered 200.
        raise status_failure(code, body, {})
    return reply


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait.

    Args:
        headers: with names in lower case, or that find names in any case.
    """
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / per_second)
        except ValueError:
            pass
    return _until(headers.get("retry-after", ""))


def _until(date: str) -> float | None:
    try:
        until = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
