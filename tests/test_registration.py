"""The table and the registry: every row is whole, names are found, plug-ins add rows."""

import dataclasses
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import gymnasium
import pytest

import gym_llm
from gym_llm import registration
from gym_llm.errors import ConfigError, MissingExtraError, UnknownNameError
from gym_llm.registration import EnvInfo, find, register_plugins, table
from gym_llm.table import ENVIRONMENTS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("info", ENVIRONMENTS, ids=lambda info: info.id)
def test_row_ties_id_module_data_and_tests_together(info: EnvInfo) -> None:
    module, name = info.env.split(":")
    assert module.split(".")[2] == info.domain
    assert name.endswith("Env")
    assert info.id == f"gym_llm/{info.id.split('/')[1].removesuffix('-v0')}-v0"
    assert (ROOT / "tests" / "envs" / info.domain / f"test_{module.rsplit('.', 1)[-1]}.py").is_file()
    assert info.load().source().bundled.is_file()
    assert info.reward_range[0] <= info.reward_range[1]
    assert gymnasium.spec(info.id).entry_point == f"gym_llm.registration:{info.id}"


def test_table_is_grouped_by_domain_and_sorted() -> None:
    keys = [(info.domain, info.id) for info in ENVIRONMENTS]
    assert keys == sorted(keys)


def test_names_are_found_without_namespace_and_version() -> None:
    assert find("MCQA") is find("MCQA-v0") is find("gym_llm/MCQA-v0")


def test_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown environment 'BlakJack'; did you mean Blackjack"):
        find("BlakJack")
    with pytest.raises(gymnasium.error.NameNotFound, match="MCQA"):
        gymnasium.make("gym_llm/MCQB-v0")


def test_second_registration_of_an_id_is_refused() -> None:
    with pytest.raises(ConfigError, match="registered twice"):
        gym_llm.registration.register([table["gym_llm/MCQA-v0"]])


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        registration.nothing  # noqa: B018


def test_import_loads_no_environment_and_no_heavy_library() -> None:
    code = "import sys, gym_llm, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    loaded = set(json.loads(out))
    assert not loaded & {
        "datasets",
        "openai",
        "sympy",
        "math_verify",
        "PIL",
        "jsonschema",
        "rich",
        "multiprocess",
    }
    assert not [m for m in loaded if m.startswith(("gym_llm.envs.", "gym_llm.core", "gym_llm.wrappers"))]


def test_module_prefix_of_make_imports_the_package() -> None:
    code = (
        "import gymnasium; print(gymnasium.make('gym_llm:gym_llm/MCQA-v0').reset(seed=0)[1]['task_id'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert out.startswith("mcqa-")


def test_installed_packages_add_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "extra_pack.py").write_text(
        "from gym_llm.registration import EnvInfo\n"
        "ROWS = [EnvInfo(id='extra/Counter-v0', env='tests.support.envs:CounterEnv', domain='other',"
        " kind='tools', summary='x', licence='MIT')]\n"
    )
    info = tmp_path / "extra_pack-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra_pack\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[gym_llm.environments]\nrows = extra_pack:ROWS\nbroken = extra_pack:MISSING\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [e.value for e in metadata.entry_points(group=registration.ENTRY_POINT_GROUP)]
    try:
        register_plugins()
        env = gymnasium.make("extra/Counter-v0")
        assert env.reset(seed=0)[0] == "Count to 3."
    finally:
        table.pop("extra/Counter-v0", None)
        gymnasium.registry.pop("extra/Counter-v0", None)


def test_missing_extra_is_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chemistry_env.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    info = EnvInfo(
        id="x/Y-v0",
        env="chemistry_env:E",
        domain="d",
        kind="k",
        summary="",
        licence="",
        needs=("extra:chem",),
    )
    with pytest.raises(
        MissingExtraError, match=r'a_package_that_nobody_has .* pip install "gym-llm\[chem\]"'
    ):
        info.load()
    with pytest.raises(ModuleNotFoundError):
        dataclasses.replace(info, needs=()).load()
