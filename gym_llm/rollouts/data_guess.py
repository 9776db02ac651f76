"""Which environment task files are for, where nobody says."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gym_llm.errors import ConfigError, MissingExtraError
from gym_llm.registration import EnvInfo, table
from gym_llm.rollouts.data_check import row_model_warnings
from gym_llm.rollouts.data_lines import MAX_ROW_BYTES, printable, read_lines, strict_json
from gym_llm.tasks import RawRow, Row

HEAD_ROWS = 50
"""Rows of each file that the guess is made from."""
AGENT_SUFFIXES = ("_simple_agent", "_gymnasium_agent", "_agent")


@dataclass(frozen=True)
class Guess:
    """An environment, and what speaks for it."""

    info: EnvInfo
    why: str


def guess(paths: Sequence[Path]) -> Guess:
    """Guess the environment that task files are for, from their first rows.

    NeMo Gym's ``agent_ref`` decides where rows have one. Otherwise the row models do: of those that can
    read half of the rows, the one that has most of their columns as fields of its own. A tie is settled
    by the name of the file.

    Raises:
        ConfigError: nothing fits, several fit, or the rows are of several environments.
        DataError: a file cannot be read.
    """
    rows: list[RawRow] = []
    problems: list[str] = []
    for path in paths:
        _read_head(path, rows, problems)
    if not rows:
        cause = f" ({problems[0]})" if problems else ""
        raise ConfigError(f"no row to guess the environment from{cause}; name it with --env")
    names = Counter(name for row in rows if (name := _agent_name(row)))
    return _by_agent(names) if names else _by_rows(paths, rows)


def _read_head(path: Path, rows: list[RawRow], problems: list[str]) -> None:
    for line in itertools.islice(read_lines(path, MAX_ROW_BYTES), HEAD_ROWS):
        if line.problem is not None:
            problems.append(f"{path}, line {line.number}: {line.problem[1]}")
            continue
        try:
            raw = strict_json(line.data)
        except ValueError as error:
            problems.append(f"{path}, line {line.number}: {error}")
            continue
        if isinstance(raw, dict):
            rows.append(raw)


def _agent_name(row: RawRow) -> str | None:
    reference = row.get("agent_ref")
    name = reference.get("name") if isinstance(reference, dict) else None
    return name if isinstance(name, str) else None


def _by_agent(names: Counter[str]) -> Guess:
    found = {name: _info_of(name) for name in names}
    infos: dict[str, EnvInfo] = {}
    for name, info in found.items():
        if info is None:
            raise ConfigError(
                f"agent_ref names {printable(name)!r}, which is no environment here; name one with --env"
            )
        infos[info.id] = info
    if len(infos) > 1:
        raise ConfigError(
            f"agent_ref names several environments, {', '.join(infos)}: check them apart, or name one "
            "with --env"
        )
    return Guess(next(iter(infos.values())), f"agent_ref names {next(iter(names))}")


def _info_of(agent: str) -> EnvInfo | None:
    stem = next((agent.removesuffix(s) for s in AGENT_SUFFIXES if agent.endswith(s)), agent)
    return next((info for info in table.values() if info.row == stem), None)


def _by_rows(paths: Sequence[Path], rows: Sequence[RawRow]) -> Guess:
    scores = {info.id: _score(info, rows) for info in table.values()}
    readers = {env_id: score for env_id, score in scores.items() if 2 * score.valid >= len(rows)}
    if not readers:
        raise ConfigError("no environment can read the rows; name one with --env to see why")
    best = max((score.known, score.valid) for score in readers.values())
    fitting = [table[e] for e, score in readers.items() if (score.known, score.valid) == best]
    why = f"its row model reads {best[1]} of the first {len(rows)} rows"
    # Models without fields of their own read everything: that says nothing.
    if len(fitting) > 1 or best[0] == 0:
        named = [info for info in fitting if any(_is_named(info, path) for path in paths)]
        if len(named) != 1:
            ids = ", ".join(info.id for info in fitting)
            raise ConfigError(f"the rows may be of {ids}; name the environment with --env")
        fitting, why = named, f"{why}, and the file has its name"
    return Guess(fitting[0], why)


class _Score(NamedTuple):
    valid: int
    """Rows that the model reads."""
    known: int
    """Columns of them that are fields of its own."""


def _score(info: EnvInfo, rows: Sequence[RawRow]) -> _Score:
    try:
        row_format = info.load().source().row_format
    except MissingExtraError:
        return _Score(0, 0)
    own = row_format.model.model_fields.keys() - Row.model_fields.keys()
    valid = known = 0
    with row_model_warnings():
        for number, raw in enumerate(rows):
            try:
                row = row_format.parse(raw, number, "", None)
            except Exception:  # row models of other packages: one that breaks does not read the row
                continue
            valid += 1
            known += len(own & row.model_fields_set)
    return _Score(valid, known)


def _is_named(info: EnvInfo, path: Path) -> bool:
    """Return whether the file, or a folder as NeMo Gym lays them out, has the environment's name."""
    stem, folders = path.stem, path.absolute().parts[-3:-1]
    names = {info.row, info.load().source().name} - {""}
    return any(stem == name or stem.startswith(f"{name}_") or name in folders for name in names)
