"""What the documentation says runs, and the environments' page is up to date."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("quickstart", "vector", "rollouts", "models", "metrics", "runs")
    ),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_run_in_order(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_page_of_environments_is_not_stale() -> None:
    script = ROOT / "docs" / "generate_environments.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, "run python docs/generate_environments.py"


def test_schema_of_a_run_is_not_stale() -> None:
    script = ROOT / "docs" / "generate_schema.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, "run python docs/generate_schema.py"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [p.name for p in (ROOT / "docs").glob("*.md") if p.name not in navigation] == []


def test_readme_begins_with_two_commands() -> None:
    blocks = re.findall(
        r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert [b.strip() for b in blocks[:2]] == [
        "pip install -e . && gym-llm eval gym_llm/Blackjack-v0 gym_llm/MCQA-v0 --limit 20",
        'pip install -e ".[dev]" && pytest',
    ]
