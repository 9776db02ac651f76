"""Client: retries, deadlines and limits, against a server on loopback."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from gym_llm.errors import EndpointDownError, ModelError
from gym_llm.models import Client, Completion, Endpoint
from tests.support.judge_server import Reply, Request, Script, ScriptedServer

HELLO = [{"role": "user", "content": "Hello"}]


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


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_completion_has_message_usage_and_model(api: Any) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    completion, server = ask([{"content": "Hi", "reasoning": "hm", "usage": usage}], api=api)
    assert (completion.message.content, completion.message.reasoning) == ("Hi", "hm")
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (3, 4)
    assert completion.message.finish_reason == "stop"
    assert completion.model == "scripted"
    assert completion.latency_s > 0
    assert server.requests[0].messages == HELLO


def test_parameters_of_the_call_go_before_those_of_the_endpoint() -> None:
    with ScriptedServer(["Hi"]) as server:
        there = endpoint(server, params={"temperature": 0.5, "seed": 1}, api_key="secret")
        asyncio.run(complete(there, params={"temperature": None, "max_tokens": 9}))
    body = server.requests[0].body
    assert body == {"model": "scripted", "messages": HELLO, "seed": 1, "max_tokens": 9}
    assert server.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 503}, id="503"),
        pytest.param({"status": 429}, id="429"),
        pytest.param({"status": 408}, id="408"),
        pytest.param({"status": 409}, id="409"),
        pytest.param({"error": "dropped"}, id="dropped-connection"),
    ],
)
def test_transient_failure_is_retried(failure: Reply) -> None:
    completion, server = ask([failure, failure, "Hi"])
    assert completion.message.content == "Hi"
    assert len(server.requests) == 3


@pytest.mark.parametrize("header", ["0", "0.0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_server_says_how_long_to_wait(header: str) -> None:
    started = time.monotonic()
    ask([{"status": 429, "headers": {"Retry-After": header}}, "Hi"], retry_delay_s=1000)
    assert time.monotonic() - started < 25  # its own delay would be a minute


def test_deadline_counts_for_each_attempt() -> None:
    completion, _ = ask([{"content": "late", "delay_s": 60}, "in time"], timeout_s=0.5)
    assert completion.message.content == "in time"


@pytest.mark.parametrize(
    ("script", "fields", "error", "message", "calls"),
    [
        pytest.param(
            [{"status": 500, "message": "oops"}] * 9, {"max_retries": 2}, ModelError,
            r"HTTP 500.*oops \(3 attempts\)", 3, id="retries-used-up",
        ),
        pytest.param([{"status": 400}], {}, ModelError, "HTTP 400", 1, id="bad-request"),
        pytest.param([{"status": 422}], {}, ModelError, "HTTP 422", 1, id="cannot-be-processed"),
        pytest.param([{"status": 401}], {}, EndpointDownError, "HTTP 401", 1, id="key-refused"),
        pytest.param([{"status": 403}], {}, EndpointDownError, "HTTP 403", 1, id="forbidden"),
        pytest.param([{"status": 404}], {}, EndpointDownError, "HTTP 404", 1, id="no-such-model"),
        pytest.param(
            [{"error": "dropped"}] * 9, {"max_retries": 1}, ModelError, "connection lost", 2,
            id="dropped-each-time",
        ),
        pytest.param(
            [{"delay_s": 60}], {"max_retries": 0, "timeout_s": 0.2}, ModelError, "no answer within", 1,
            id="too-late",
        ),
        pytest.param([{"body": b"{nope"}], {}, ModelError, "malformed reply", 1, id="not-json"),
        pytest.param([{"body": b"[" * 99999}], {}, ModelError, "malformed reply", 1, id="deep-json"),
        pytest.param([{"body": {}}], {}, ModelError, "malformed reply: KeyError", 1, id="no-choices"),
        pytest.param(
            [{"body": b"<p>", "headers": {"Content-Type": "text/html"}}], {}, ModelError,
            "malformed reply: TypeError", 1, id="html",
        ),
        pytest.param(
            [{"body": b"x", "headers": {"Content-Encoding": "gzip"}}], {"max_retries": 0}, ModelError,
            "scripted at http", 1, id="broken-compression",
        ),
    ],
)  # fmt: skip
def test_failure_is_typed_and_names_the_endpoint(
    script: Script, fields: dict, error: type[ModelError], message: str, calls: int
) -> None:
    with ScriptedServer(script) as server:
        with pytest.raises(ModelError, match=message) as caught:
            asyncio.run(complete(endpoint(server, **fields)))
        assert type(caught.value) is error
        assert server.base_url in str(caught.value)
        assert len(server.requests) == calls


def test_nothing_listens() -> None:
    with ScriptedServer() as server:
        there = endpoint(server, max_retries=1)
    with pytest.raises(EndpointDownError, match=r"nothing listens.*\(2 attempts\)") as caught:
        asyncio.run(complete(there))
    assert there.base_url in str(caught.value)


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
