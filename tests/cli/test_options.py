"""Options that name a model."""

import argparse
from pathlib import Path

import pytest

from gym_llm.cli.options import add_model_options, model_endpoint
from gym_llm.errors import ConfigError

TABLE = """
[models.m]
base_url = "http://127.0.0.1:8000/v1"
prices = {input = 1.0, output = 2.0}
max_retries = 9
send_seed = true
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MODEL", "MODELS", "BASE_URL", "API_KEY", "PRESET"):
        monkeypatch.delenv(f"GYM_LLM_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def parse(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    parser.set_defaults(concurrency=16)
    return parser.parse_args(argv)


def test_no_model_no_endpoint() -> None:
    assert model_endpoint(parse()) is None


def test_options_go_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "gym_llm.toml").write_text(TABLE)
    found = model_endpoint(
        parse("--model", "m", "--retries", "1", "--param", "temperature=0.5", "--max-cost", "3")
    )
    assert found is not None
    assert (found.base_url, found.max_retries) == ("http://127.0.0.1:8000/v1", 1)
    assert (found.max_concurrency, found.send_seed) == (16, True)
    assert found.params == {"temperature": 0.5}


def test_every_option_has_its_field() -> None:
    argv = ["--model", "m", "--preset", "vllm", "--base-url", "http://x/v1", "--api", "responses"]
    argv += ["--transport", "openai", "--extra-body", "top_k=3", "--send-seed", "--timeout", "5"]
    found = model_endpoint(parse(*argv, "--requests", "4"))
    assert found is not None
    assert (found.base_url, found.api, found.transport) == ("http://x/v1", "responses", "openai")
    assert (found.extra_body, found.send_seed) == ({"top_k": 3}, True)
    assert (found.timeout_s, found.max_concurrency) == (5.0, 4)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["--base-url", "http://x"], "--base-url is given but no --model", id="url"),
        pytest.param(["--preset", "vllm"], "--preset is given but no --model", id="preset"),
        pytest.param(["--model", "m"], "'m' needs a base URL or a preset", id="no-server"),
        pytest.param(
            ["--model", "m", "--base-url", "http://x", "--max-cost", "1"], "needs prices", id="no-prices"
        ),
        pytest.param(
            ["--model", "m", "--base-url", "http://x", "--api-key-env", "NO_SUCH_KEY"],
            "NO_SUCH_KEY is not set",
            id="no-key",
        ),
    ],
)
def test_options_that_cannot_work(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model_endpoint(parse(*argv))
