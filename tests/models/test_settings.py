"""Endpoints by name: the file, the environment and options, and who goes before whom."""

from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import ConfigError
from gym_llm.models.settings import find_endpoint

FILE = """
[models.mini]
preset = "openai"
model = "gpt-5-mini"
api = "responses"
prices = {input = 0.25, output = 2.0}
params = {temperature = 0.5, top_p = 0.9}
timeout_s = 30

[models."org/local"]
base_url = "http://127.0.0.1:8000/v1"
headers = {X-Team = "env:TEAM"}
send_seed = true
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(FILE)
    return path


def test_table_names_preset_model_and_fields(models: Path) -> None:
    found = find_endpoint("mini", file=models, environ={"OPENAI_API_KEY": "k"})
    assert (found.base_url, found.model) == ("https://api.openai.com/v1", "gpt-5-mini")
    assert (found.api_key_env, found.api, found.timeout_s) == ("OPENAI_API_KEY", "responses", 30)
    assert found.prices == {"input": 0.25, "output": 2.0}


def test_table_without_model_is_named_as_the_model(models: Path) -> None:
    found = find_endpoint("org/local", file=models, environ={})
    assert (found.model, found.send_seed) == ("org/local", True)
    assert found.headers == {"X-Team": "env:TEAM"}


def test_options_go_before_the_file_and_the_file_before_the_environment(models: Path) -> None:
    environ = {
        "GYM_LLM_BASE_URL": "http://env/v1",
        "GYM_LLM_API_KEY": "env-key",
        "GYM_LLM_TIMEOUT_S": "5",
        "GYM_LLM_MAX_RETRIES": "7",
        "GYM_LLM_MAX_CONCURRENCY": "9",
    }
    options = {"timeout_s": 60.0, "params": {"temperature": 0.0}}
    found = find_endpoint("mini", options, models, environ, defaults={"max_concurrency": 1})
    assert found.base_url == "https://api.openai.com/v1"
    assert (found.timeout_s, found.max_retries, found.max_concurrency) == (60.0, 7, 9)
    assert found.params == {"temperature": 0.0, "top_p": 0.9}
    # The service's own variable is not set, so that of gym_llm holds the key.
    assert (found.api_key, found.api_key_env) == (None, "GYM_LLM_API_KEY")


def test_model_without_table_takes_server_and_key_from_options_and_environment() -> None:
    options = {"base_url": "http://127.0.0.1:1/v1"}
    found = find_endpoint("m", options, environ={"GYM_LLM_API_KEY": "k", "GYM_LLM_BASE_URL": "http://x"})
    assert (found.base_url, found.model, found.key()) == ("http://127.0.0.1:1/v1", "m", "k")


def test_file_is_found_by_variable_folder_and_home(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model(**environ: str) -> str:
        return find_endpoint("mini", environ={"GYM_LLM_BASE_URL": "http://x", **environ}).model

    home = tmp_path / "home"
    (home / ".config" / "gym_llm").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (work := tmp_path / "work").mkdir()
    monkeypatch.chdir(work)
    assert model() == "mini"
    (home / ".config/gym_llm/models.toml").write_text('[models.mini]\nmodel = "of-home"\n')
    assert model() == "of-home"
    (work / "gym_llm.toml").write_text('[models.mini]\nmodel = "of-folder"\n')
    assert model() == "of-folder"
    assert model(GYM_LLM_MODELS=str(models), OPENAI_API_KEY="k") == "gpt-5-mini"


@pytest.mark.parametrize(
    ("fields", "environ", "url"),
    [
        pytest.param({}, {}, "https://r.azure.com/openai/v1", id="v1"),
        pytest.param(
            {"api_version": "2024-10-21"},
            {},
            "https://r.azure.com/openai/deployments/gpt",
            id="deployment",
        ),
        pytest.param(
            {"api": "responses"},
            {"OPENAI_API_VERSION": "2025-04-01"},
            "https://r.azure.com/openai",
            id="responses",
        ),
        pytest.param(
            {"base_url": "https://own/openai/v1"}, {}, "https://own/openai/v1", id="own-path-is-kept"
        ),
    ],
)
def test_azure(fields: dict[str, Any], environ: dict[str, str], url: str) -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": "https://r.azure.com/", **environ}
    found = find_endpoint("gpt", {"preset": "azure", **fields}, environ=environ)
    assert found.base_url == url
    assert (found.key_header, found.api_key_env) == ("api-key", "AZURE_OPENAI_API_KEY")
    assert found.api_version == fields.get("api_version", environ.get("OPENAI_API_VERSION"))


def test_vllm_needs_no_key() -> None:
    found = find_endpoint("m", {"preset": "vllm"}, environ={})
    assert (found.base_url, found.key()) == ("http://localhost:8000/v1", None)


def test_key_of_an_option_replaces_that_of_the_file(models: Path) -> None:
    found = find_endpoint("mini", {"api_key": "own"}, models, {})
    assert (found.api_key, found.api_key_env) == ("own", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[models.m\n", r"m\.toml: Expected.*line 1", id="syntax"),
        pytest.param("[model.m]\n", r"table of .*m\.toml: 'model'; did you mean models", id="section"),
        pytest.param("models = 3\n", r"m\.toml: models must be tables", id="no-tables"),
        pytest.param("[models]\nm = 3\n", r"models\.m must be a table, got int", id="no-table"),
        pytest.param(
            "[models.m]\nbase_ur = 'http://x'\n",
            r"m\.toml: \[models\.m\]: 'base_ur'; did you mean base_url",
            id="unknown-key",
        ),
        pytest.param(
            "[models.m]\nbase_url = 'http://x'\ntimeout_s = 'long'\n",
            r"m\.toml: \[models\.m\]: timeout_s must be a positive number, got 'long'",
            id="value",
        ),
        pytest.param(
            "[models.m]\nbase_url = 'http://x'\nprices = {input = 1}\n",
            r"\[models\.m\]: prices: output is missing",
            id="prices",
        ),
        pytest.param(
            "[models.m]\npreset = 'opanai'\n",
            r"\[models\.m\]: unknown preset 'opanai'; did you mean openai",
            id="preset",
        ),
        pytest.param(
            "[models.mm]\npreset = 'vllm'\n",
            r"'m'; did you mean mm\?; a model that has no",
            id="other-name",
        ),
        pytest.param("", r"m' needs a base URL or a preset \(.*has no tables", id="empty"),
        pytest.param("\x00", r"m\.toml: ", id="binary"),
    ],
)
def test_bad_file_names_file_table_field_and_reason(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        find_endpoint("m", file=tmp_path / "m.toml", environ={})


def test_missing_file_and_bad_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        find_endpoint("m", file=tmp_path / "none.toml", environ={})
    with pytest.raises(ConfigError, match="GYM_LLM_MAX_RETRIES must be a number, got 'many'"):
        find_endpoint("m", environ={"GYM_LLM_MAX_RETRIES": "many"})


def test_azure_without_resource() -> None:
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT"):
        find_endpoint("m", {"preset": "azure"}, environ={})
