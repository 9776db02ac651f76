"""Weights & Biases, offline."""

import json
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import MissingExtraError
from gym_llm.exports.wandb import log_run
from tests.exports.test_tracked import with_metrics
from tests.support.runs import MCQA

pytestmark = pytest.mark.filterwarnings("ignore")  # Those of wandb itself are not ours to mend.


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Return the folder of a run that was logged, and the records in its file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wandb = pytest.importorskip("wandb")
        path = tmp_path_factory.mktemp("wandb")
        run = with_metrics(path / "run")
        folder = Path(log_run(run, project="p", folder=path, offline=True, artifact=True))
        # The file is complete when wandb's own process has ended.
        wandb.teardown()
        return folder, [*records(next(folder.glob("*.wandb")).read_bytes())]


def records(content: bytes) -> Iterator[Any]:
    """Yield the records of a file of wandb: a log in LevelDB's format after a header of 7 bytes.

    A block has 32 KiB; a piece of a record has a checksum (4 bytes), its length (2) and its kind (1):
    1 and 4 end a record.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    place, whole = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""


def test_folder_of_the_offline_run_is_returned(logged: tuple[Path, list[Any]]) -> None:
    folder, _ = logged
    assert folder.name.startswith("offline-run-")
    assert folder.parent.name == "wandb"


def test_configuration(logged: tuple[Path, list[Any]]) -> None:
    [run] = [r.run for r in logged[1] if r.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert (run.project, run.display_name) == ("p", "run")
    assert config["agent"] == "random"
    assert config["environments"] == [MCQA]


def test_metrics_and_table(logged: tuple[Path, list[Any]]) -> None:
    folder, found = logged
    [history] = [r.history for r in found if r.WhichOneof("record_type") == "history"]
    values = {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in history.item
    }
    assert values[f"{MCQA}/mean_reward"] == 0.5
    assert values["rollouts/nrows"] == 2
    [path] = folder.rglob("rollouts*.table.json")
    table = json.loads(path.read_text())
    rewards = [row[table["columns"].index("reward")] for row in table["data"]]
    assert rewards == [1.0, 0.0]


def test_files_of_the_run_are_an_artifact(logged: tuple[Path, list[Any]]) -> None:
    artifacts = [r.artifact for r in logged[1] if r.WhichOneof("record_type") == "artifact"]
    [files] = [a for a in artifacts if a.type == "gym_llm-run"]
    names = {entry.path for entry in files.manifest.contents}
    assert {"manifest.json", "rollouts.jsonl", "tasks.jsonl", "metrics.json"} <= names


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"gym-llm\[wandb\]"):
        log_run(with_metrics(tmp_path / "run"))
