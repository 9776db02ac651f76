"""Endpoint: configuration and its errors."""

import pickle
import subprocess
import sys

import pytest

from gym_llm.errors import ConfigError
from gym_llm.models import Endpoint

URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"model": "m"}, "needs 'base_url'", id="missing"),
        pytest.param({"base_url": URL, "model": "m", "heat": 1}, "unknown key.*'heat'", id="unknown"),
        pytest.param({"base_url": "localhost:1", "model": "m"}, "http://", id="no-scheme"),
        pytest.param({"base_url": URL, "model": ""}, "model must be", id="empty-model"),
        pytest.param({"base_url": URL, "model": "m", "api": "grpc"}, "api must be one of", id="api"),
        pytest.param({"base_url": URL, "model": "m", "params": [1]}, "params must be", id="params"),
        pytest.param({"base_url": URL, "model": "m", "timeout_s": 0}, "timeout_s must be", id="timeout"),
        pytest.param(
            {"base_url": URL, "model": "m", "max_concurrency": 0}, "max_concurrency must", id="slots"
        ),
        pytest.param(
            {"base_url": URL, "model": "m", "api_key": "a", "api_key_env": "B"}, "both", id="two-keys"
        ),
        pytest.param({"base_url": "http://", "model": "m"}, "scheme, host and path", id="no-host"),
        pytest.param({"base_url": "http://h:x/v1", "model": "m"}, "base_url is no URL", id="port"),
        pytest.param({"base_url": URL + "?a=1", "model": "m"}, "see api_version", id="query"),
        pytest.param(
            {"base_url": "http://me:secret@h/v1", "model": "m"}, "must not hold a user", id="password"
        ),
        pytest.param(
            {"base_url": URL, "model": "m", "transport": "http"}, "transport must be", id="transport"
        ),
        pytest.param(
            {"base_url": URL, "model": "m", "send_seed": "yes"}, "send_seed must be true", id="send-seed"
        ),
        pytest.param(
            {"base_url": URL, "model": "m", "headers": {"a b": "c"}}, "no name of a header", id="header"
        ),
        pytest.param(
            {"base_url": URL, "model": "m", "headers": {"a": "b\r\nc: d"}}, "one line", id="two-lines"
        ),
        pytest.param(
            {"base_url": URL, "model": "m", "prices": {"input": -1}}, "prices: input", id="prices"
        ),
    ],
)
def test_configuration_that_cannot_work_is_refused(config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Endpoint.from_config(config)


def test_configuration_must_be_a_dict() -> None:
    with pytest.raises(ConfigError, match="must be a dict, got str"):
        Endpoint.from_config(URL)  # type: ignore[arg-type]


def test_key_does_not_show() -> None:
    endpoint = Endpoint(URL, "m", api_key="secret", headers={"X-Token": "secret"})
    assert "secret" not in repr(endpoint)


def test_header_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(URL, "m", headers={"X-Token": "env:SOME_TOKEN", "X-Other": "x"})
    monkeypatch.setenv("SOME_TOKEN", "t")
    assert endpoint.request_headers() == {"X-Token": "t", "X-Other": "x"}
    assert endpoint.secrets() == ["t"]
    monkeypatch.delenv("SOME_TOKEN")
    with pytest.raises(ConfigError, match="X-Token: the environment variable SOME_TOKEN is not set"):
        endpoint.request_headers()


def test_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(URL, "m", api_key_env="SOME_KEY")
    monkeypatch.setenv("SOME_KEY", "secret")
    assert endpoint.key() == "secret"
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(ConfigError, match="SOME_KEY is not set"):
        endpoint.key()


def test_endpoints_are_keys_and_pickle() -> None:
    endpoint = Endpoint(URL, "m", params={"stop": ["x"]})
    assert {endpoint: 1}[pickle.loads(pickle.dumps(endpoint))] == 1
    assert endpoint != Endpoint(URL, "m", params={"stop": ["y"]})


def test_importing_models_and_judges_loads_no_client() -> None:
    names = "'openai' in sys.modules or 'aiohttp' in sys.modules"
    code = f"import sys, gym_llm.models, gym_llm.verifiers.equivalence; print({names})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
