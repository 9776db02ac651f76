"""Client: retries, deadlines and limits, against a server on loopback, over both transports."""

import asyncio
import pickle
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import EndpointDownError, ModelError
from gym_llm.models import Client, Completion, Endpoint
from gym_llm.models.retries import START_BALANCE
from tests.support.judge_server import Reply, Request, Script, ScriptedServer

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}

both = pytest.mark.parametrize("transport", ["aiohttp", "openai"])


def endpoint(server: ScriptedServer, **fields: Any) -> Endpoint:
    return Endpoint(server.base_url, server.model, **{"retry_delay_s": 0, **fields})


async def complete(endpoint: Endpoint, **kwargs: Any) -> Completion:
    client = Client(endpoint)
    try:
        return await client.complete(HELLO, **kwargs)
    finally:
        await client.close()


def ask(script: Script, **fields: Any) -> tuple[Completion, ScriptedServer]:
    with ScriptedServer(script) as server:
        return asyncio.run(complete(endpoint(server, **fields))), server


async def ask_in_turn(client: Client, calls: int) -> list[Completion]:
    try:
        return [await client.complete(HELLO) for _ in range(calls)]
    finally:
        await client.close()


@both
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_completion_has_message_usage_and_model(api: Any, transport: Any) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    reply = {"content": "Hi", "reasoning": "hm", "usage": usage}
    completion, server = ask([reply], api=api, transport=transport, prices={"input": 1, "output": 2})
    assert (completion.message.content, completion.message.reasoning) == ("Hi", "hm")
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (3, 4)
    assert completion.finish_reason == "stop"
    assert completion.model == "scripted"
    assert completion.latency_s > 0
    assert (completion.attempts, completion.is_cached) == (1, False)
    assert completion.cost == pytest.approx(11e-6)
    assert server.requests[0].messages == HELLO


@both
def test_request_has_parameters_and_headers(transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "blue")
    with ScriptedServer(["Hi"]) as server:
        there = endpoint(
            server,
            params={"temperature": 0.5, "seed": 1},
            extra_body={"top_k": 3, "seed": 2},
            headers={"X-Team": "env:TEAM", "X-Title": "t"},
            api_key="secret",
            transport=transport,
        )
        asyncio.run(complete(there, params={"temperature": None, "max_tokens": 9}))
    (request,) = server.requests
    assert request.body == {
        "model": "scripted", "messages": HELLO, "seed": 2, "max_tokens": 9, "top_k": 3
    }  # fmt: skip
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["content-type"] == "application/json"
    assert (request.headers["x-team"], request.headers["x-title"]) == ("blue", "t")


@both
def test_key_goes_into_the_header_that_the_server_wants(transport: Any) -> None:
    with ScriptedServer([{"body": CHAT}]) as server:
        there = endpoint(
            server, api_key="secret", key_header="api-key", api_version="2024-10-21", transport=transport
        )
        asyncio.run(complete(there))
    (request,) = server.requests
    assert request.headers["api-key"] == "secret"
    assert "authorization" not in request.headers
    assert request.path == "/v1/chat/completions?api-version=2024-10-21"


@both
@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        pytest.param({"status": 500}, "HTTP 500", id="500"),
        pytest.param({"status": 503}, "HTTP 503", id="503"),
        pytest.param({"status": 429}, "HTTP 429", id="429"),
        pytest.param({"status": 408}, "HTTP 408", id="408"),
        pytest.param({"status": 409}, "HTTP 409", id="409"),
        pytest.param({"error": "dropped"}, "connection lost", id="dropped-connection"),
        pytest.param({"body": b"{nope"}, "malformed reply", id="not-json"),
        pytest.param({"body": {"error": {"code": 502}}}, "HTTP 502", id="gateway-error-after-200"),
    ],
)
def test_transient_failure_is_retried(failure: Reply, cause: str, transport: Any) -> None:
    async def run(client: Client) -> Completion:
        return (await ask_in_turn(client, 1))[0]

    # On a connection that served no request before: see the test of idle connections.
    close = {"headers": {"Connection": "close"}}
    with ScriptedServer([{**close, **dict(failure)}, {**close, **dict(failure)}, "Hi"]) as server:
        client = Client(endpoint(server, transport=transport))
        completion = asyncio.run(run(client))
        assert completion.message.content == "Hi"
        assert (len(server.requests), client.requests, completion.attempts) == (3, 3, 3)
    assert client.failed_attempts == {cause: 2}


@both
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "0"}, id="seconds"),
        pytest.param({"Retry-After": "0.0"}, id="float"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, id="date"),
        pytest.param({"retry-after-ms": "0"}, id="milliseconds"),
    ],
)
def test_server_says_how_long_to_wait(headers: dict[str, str], transport: Any) -> None:
    started = time.monotonic()
    ask([{"status": 429, "headers": headers}, "Hi"], retry_delay_s=1000, transport=transport)
    assert time.monotonic() - started < 25  # its own delay would be half a minute or more


@both
def test_deadline_counts_for_each_attempt(transport: Any) -> None:
    script = [{"content": "late", "delay_s": 60}, "in time"]
    completion, _ = ask(script, timeout_s=1.0, transport=transport)
    assert (completion.message.content, completion.attempts) == ("in time", 2)


@both
@pytest.mark.parametrize(
    ("script", "fields", "error", "message", "cause", "calls"),
    [
        pytest.param(
            [{"status": 500, "message": "oops"}] * 9, {"max_retries": 2}, ModelError,
            r"HTTP 500.*oops \(3 attempts\)", "HTTP 500", 3, id="retries-used-up",
        ),
        pytest.param([{"status": 400}], {}, ModelError, "HTTP 400", "HTTP 400", 1, id="bad-request"),
        pytest.param([{"status": 422}], {}, ModelError, "HTTP 422", "HTTP 422", 1, id="no-sense"),
        pytest.param([{"status": 401}], {}, EndpointDownError, "HTTP 401", "HTTP 401", 1, id="key"),
        pytest.param([{"status": 403}], {}, EndpointDownError, "HTTP 403", "HTTP 403", 1, id="denied"),
        pytest.param([{"status": 404}], {}, EndpointDownError, "HTTP 404", "HTTP 404", 1, id="no-model"),
        pytest.param(
            [{"status": 400, "message": "This model's maximum context length is 8 tokens."}], {},
            ModelError, "HTTP 400: This model's maximum", "context too long", 1, id="context",
        ),
        pytest.param(
            [{"error": "dropped"}] * 9, {"max_retries": 1}, ModelError, "connection lost",
            "connection lost", 2, id="dropped-each-time",
        ),
        pytest.param(
            [{"body": b"{nope"}] * 9, {"max_retries": 1}, ModelError, "malformed reply",
            "malformed reply", 2, id="not-json",
        ),
        pytest.param(
            [{"body": b"[" * 99999}], {"max_retries": 0}, ModelError, "malformed reply: Recursion",
            "malformed reply", 1, id="deep-json",
        ),
        pytest.param(
            [{"body": {}}], {}, ModelError, "malformed reply: KeyError", "malformed reply", 1,
            id="no-choices",
        ),
        pytest.param(
            [{"body": [1]}], {}, ModelError, "expected a JSON object", "malformed reply", 1, id="a-list",
        ),
        pytest.param(
            [{"body": b"<p>", "headers": {"Content-Type": "text/html"}}], {"max_retries": 0}, ModelError,
            "malformed reply: .*<p>", "malformed reply", 1, id="html",
        ),
        pytest.param(
            [{"body": b" " * (65 * 2**20)}], {}, ModelError, "more than 64 MB", "reply too large", 1,
            id="endless",
        ),
    ],
)  # fmt: skip
def test_failure_is_typed_and_names_the_endpoint(
    script: Script,
    fields: dict,
    error: type[ModelError],
    message: str,
    cause: str,
    calls: int,
    transport: Any,
) -> None:
    with ScriptedServer(script) as server:
        with pytest.raises(ModelError, match=message) as caught:
            asyncio.run(complete(endpoint(server, transport=transport, **fields)))
        assert server.base_url in str(caught.value)
        assert len(server.requests) == calls
    assert type(caught.value) is error
    assert (caught.value.kind, caught.value.cause) == ("model_http", cause)
    assert caught.value.attempts == calls


@both
def test_late_answer_is_a_failure_of_its_own_kind(transport: Any) -> None:
    with ScriptedServer([{"delay_s": 60}]) as server:
        there = endpoint(server, max_retries=0, timeout_s=0.2, transport=transport)
        with pytest.raises(ModelError, match=r"no answer within 0.2 s") as caught:
            asyncio.run(complete(there))
    error = pickle.loads(pickle.dumps(caught.value))
    assert (str(error), error.kind, error.cause) == (
        str(caught.value), "model_timeout", "no answer in time"
    )  # fmt: skip


@both
def test_broken_compression_is_a_failure(transport: Any) -> None:
    script = [{"body": b"x", "headers": {"Content-Encoding": "gzip"}}]
    with pytest.raises(ModelError, match="scripted at http"):
        ask(script, max_retries=0, transport=transport)


@both
def test_nothing_listens(transport: Any) -> None:
    with ScriptedServer() as server:
        there = endpoint(server, max_retries=1, transport=transport)
    with pytest.raises(EndpointDownError, match=r"nothing listens.*\(2 attempts\)") as caught:
        asyncio.run(complete(there))
    assert there.base_url in str(caught.value)
    assert caught.value.cause == "nothing listens"


@both
def test_server_without_tls(transport: Any) -> None:
    with ScriptedServer() as server:
        url = server.base_url.replace("http:", "https:")
        with pytest.raises(EndpointDownError) as caught:
            asyncio.run(complete(Endpoint(url, "m", transport=transport)))
    assert (caught.value.cause, caught.value.attempts) == ("TLS failed", 1)


@both
def test_redirect_does_not_get_the_key(transport: Any) -> None:
    with ScriptedServer(["Hi"]) as other:
        away = {"status": 307, "headers": {"Location": f"{other.base_url}/chat/completions"}}
        with pytest.raises(ModelError, match="HTTP 307: redirects to http") as caught:
            ask([away], api_key="secret", transport=transport)
        assert other.requests == []
    assert caught.value.attempts == 1


@both
def test_key_that_the_server_repeats_does_not_show(
    transport: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOKEN", "token-123")
    script = [{"status": 429, "message": "bad: key-123 token-123"}] * 2
    with pytest.raises(ModelError, match=r"bad: \*\*\* \*\*\*"), caplog.at_level("DEBUG", "gym_llm"):
        ask(
            script,
            api_key="key-123",
            headers={"X-Token": "env:TOKEN"},
            max_retries=1,
            transport=transport,
        )
    assert "retry 1" in caplog.text
    assert "123" not in caplog.text


@both
def test_proxy_of_the_environment(transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([{"body": CHAT}]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        monkeypatch.delenv("no_proxy", raising=False)
        there = Endpoint("http://model.invalid/v1", "m", transport=transport)
        assert asyncio.run(complete(there)).message.content == "Hi"
    assert proxy.requests[0].path == "http://model.invalid/v1/chat/completions"


@both
def test_hosts_without_proxy(transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ask(["Hi"], transport=transport)[0].message.content == "Hi"


def test_netrc_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert "authorization" not in ask(["Hi"])[1].requests[0].headers


@both
def test_connection_that_closed_while_idle_costs_no_retry(transport: Any) -> None:
    retries = 0 if transport == "aiohttp" else 1  # the client of openai does not tell why
    with ScriptedServer(["one", {"error": "dropped"}, "two"]) as server:
        client = Client(endpoint(server, max_retries=retries, transport=transport))
        found = asyncio.run(ask_in_turn(client, 2))
    assert [c.message.content for c in found] == ["one", "two"]
    assert [c.attempts for c in found] == [1, 2]
    assert client.failed_attempts.total() == 1


def test_connection_that_breaks_again_is_lost() -> None:
    with ScriptedServer(["one", {"error": "dropped"}, {"error": "dropped"}]) as server:
        client = Client(endpoint(server, max_retries=0))
        with pytest.raises(ModelError, match="connection lost"):
            asyncio.run(ask_in_turn(client, 2))
    assert client.failed_attempts == {"idle connection closed": 1, "connection lost": 1}


def test_used_up_budget_ends_the_retries() -> None:
    calls = int(START_BALANCE) // 2 + 1

    async def run(client: Client) -> list[str]:
        found = await asyncio.gather(
            *(client.complete(HELLO) for _ in range(calls)), return_exceptions=True
        )
        await client.close()
        return [str(error) for error in found]

    with ScriptedServer(lambda request: {"status": 503}) as server:
        there = endpoint(server, max_retries=2, retry_ratio=0, max_concurrency=4)
        messages = asyncio.run(run(Client(there)))
        assert len(server.requests) == calls + START_BALANCE
    assert sum("the retry budget is used up)" in m for m in messages) in (1, 2)


@both
def test_cancelled_call_gives_its_slot_back(transport: Any) -> None:
    async def run(there: Endpoint, is_waiting: Any) -> str:
        client = Client(there)
        task = asyncio.create_task(client.complete(HELLO))
        while not is_waiting() and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await ask_in_turn(client, 1))[0].message.content

    # In the middle of a request, and between two attempts.
    for first in ({"delay_s": 60}, {"status": 500}):
        with ScriptedServer([first, "Hi"]) as server:
            there = endpoint(server, max_concurrency=1, retry_delay_s=1000, transport=transport)
            assert asyncio.run(run(there, lambda: server.requests)) == "Hi"


def test_calls_in_flight_are_limited() -> None:
    together = threading.Barrier(3, timeout=30)

    def reply(request: Request) -> str:
        together.wait()  # three at a time, or nobody gets an answer
        return "Hi"

    async def run(endpoint: Endpoint) -> None:
        client = Client(endpoint)
        calls: list[Coroutine[Any, Any, Completion]] = [client.complete(HELLO) for _ in range(9)]
        await asyncio.gather(*calls)
        await client.close()

    with ScriptedServer(reply) as server:
        asyncio.run(run(endpoint(server, max_concurrency=3)))
        assert server.most_in_flight == 3
