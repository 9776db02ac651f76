"""Our rewards equal those that NeMo Gym recorded, except where a case says why they must not."""

import importlib
from pathlib import Path

import pytest

from tests.conformance.harness import SHARED, Case, replays, run

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: list[Case] = [
    case for name in MODULES for case in importlib.import_module(f"tests.conformance.{name}").CASES
]

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="recorded rollouts are not in the repository"
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.env_id}-{case.rollouts}")
def test_rewards_equal_the_recorded_ones(case: Case, counts: dict[str, list[int]]) -> None:
    row = counts.setdefault(case.env_id, [0, 0, 0])
    found = replays(case)
    for number, replay in enumerate(found):
        reward = run(case.env_id, replay)
        row[0] += 1
        if number in case.differs:
            row[2] += 1
            assert reward != pytest.approx(replay.expected), case.differs[number]
        else:
            assert reward == pytest.approx(replay.expected), f"record {number}"
            row[1] += 1
    assert found
