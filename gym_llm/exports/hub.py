"""A run as a data set on disk, for ``datasets.load_from_disk`` or any reader of Parquet or JSONL."""

from pathlib import Path

from gym_llm.exports.files import new_file, refuse_existing
from gym_llm.rollouts.loading import load
from gym_llm.rollouts.run_folder import RunFolder


def write_dataset(run: RunFolder, path: Path, *, failures: bool = False) -> int:
    """Write the table of `gym_llm.rollouts.load` and return the number of its rows.

    Args:
        run: the run.
        path: ``.parquet`` or ``.jsonl``: that file; any other name: a folder for ``load_from_disk``.
        failures: also the rollouts that failed.

    Raises:
        ConfigError: ``path`` exists.
        DataError: a line of the run cannot be read.
    """
    refuse_existing(path)
    table = load(run, failures=failures)
    if path.suffix == ".parquet":
        with new_file(path) as partial:
            table.to_parquet(partial)
    elif path.suffix == ".jsonl":
        with new_file(path) as partial:
            table.to_json(partial, force_ascii=False)
    else:
        table.save_to_disk(path)
    return len(table)
