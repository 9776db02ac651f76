"""The fault part: calls that go wrong and environments that end their process, each counted exactly.

One rollout of each task. Five times one per cent of the tasks have prompts whose calls always go wrong
in the same way, and one per cent take the environment's process down, and with it every environment that
lives there. All others must complete, and the failures must be as many of each kind as were asked for.
"""

import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_server import FAULTS
from rollout_envs import CRASH
from rollouts_meter import measure
from rollouts_rows import Endpoint
from rollouts_tasks import write_rows

ENV_ID = "gym_llm_benchmarks/CrashingMCQA-v0"
CONCURRENCY = 64
CALL_TIMEOUT_S = 3.0
HANG_S = 30.0
EXPECTED: Mapping[str, tuple[str, str]] = {
    "http_400": ("model_http", "HTTP 400"),
    "http_500": ("model_http", "HTTP 500"),
    "cut": ("model_http", ""),
    "bad_json": ("model_http", ""),
    "hang": ("model_timeout", ""),
    "os_exit": ("env_crash", ""),
}
"""Kind of failure, and the cause where it is certain, by what was asked for."""


def mark(case: str) -> str:
    """Return the text that asks for a fault."""
    return f"[case {case}]"


def measure_faults(python: str, endpoint: Endpoint, tasks: int) -> dict[str, Any]:
    """Run ``gym-llm eval`` over tasks of which some go wrong; return what was asked and what came."""
    each = max(1, tasks // 100)
    marks = [mark(case) for case in (*FAULTS, "os_exit") for _ in range(each)]
    assert mark("os_exit") == CRASH
    marks += [""] * (tasks - len(marks))
    random.Random(0).shuffle(marks)
    script = {"faults": {mark(fault): fault for fault in FAULTS}, "hang_s": HANG_S}
    endpoint.reset({**script, "latency": "fixed:0.02"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_rows(folder / "rows.jsonl", tasks, marks)
        words = ["eval", ENV_ID, "--model", "m", "--base-url", endpoint.base_url, "--json"]
        words += ["--tasks", str(rows.path), "--concurrency", str(CONCURRENCY), "--workers", "2"]
        words += ["--timeout", f"{CALL_TIMEOUT_S:g}", "--retries", "1", "--output", str(folder / "run")]
        cost = measure(
            [python, "-m", "gym_llm", *words],
            cwd=folder,
            env={"GYM_LLM_API_KEY": "none", "PYTHONPATH": str(_plugin(folder / "plugin"))},
            output=folder / "stdout",
            timeout_s=300.0,
            server=endpoint.process,
        )
        found: dict[str, Any] = {"tasks": tasks, "each": each, "returncode": cost.returncode}
        found |= {"seconds": cost.wall_s, "left_over": cost.left_over, "calls": endpoint.stats()}
        found["stderr"] = (folder / "stdout.stderr").read_text()[-1000:]
        run = folder / "run"
        completed = {record["task_index"] for record in _records(run / "rollouts.jsonl")}
        failures = _records(run / "failures.jsonl")
    wanted = {i for i, text in enumerate(marks) if text == ""}
    by_mark = Counter(
        (_case(marks[f["task_index"]]), f["failure"]["kind"], f["failure"]["cause"]) for f in failures
    )
    found["failures"] = [[*key, count] for key, count in sorted(by_mark.items())]
    found["completed"], found["not_completed"] = len(completed & wanted), sorted(wanted - completed)
    found["passed"] = (
        completed == wanted
        and len(failures) == each * len(EXPECTED)
        and all(_is_as_asked(*key) for key in by_mark)
        and cost.left_over == 0
    )
    return found


def faults_report(found: Mapping[str, Any]) -> str:
    """Return the result as text."""
    wanted = found["tasks"] - found["each"] * len(EXPECTED)
    ending = f"{found['seconds']:.0f} s, exit code {found['returncode']}"
    lines = [
        f"\nfaults: {found['tasks']} rollouts in {ending}",
        f"{'asked for':12}{'kind':16}{'cause':34}{'count':>6}{'asked':>7}",
    ]
    for case, kind, cause, count in found["failures"]:
        lines.append(f"{case:12}{kind:16}{cause[:32]:34}{count:6}{found['each']:7}")
    lines.append(f"{'nothing':12}{'completed':50}{found['completed']:6}{wanted:7}")
    lines.append("pass" if found["passed"] else f"FAIL {found['stderr']}")
    return "\n".join(lines)


def _is_as_asked(case: str, kind: str, cause: str) -> bool:
    expected_kind, expected_cause = EXPECTED.get(case, ("", ""))
    return kind == expected_kind and cause.startswith(expected_cause)


def _case(text: str) -> str:
    return text.removeprefix("[case ").removesuffix("]") or "nothing"


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _plugin(folder: Path) -> str:
    """Write what an installed package has, so that gym-llm finds `rollout_envs` by its entry point.

    Returns:
        What the search path of Python must hold.
    """
    info = folder / "rollout_envs-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rollout-envs\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[gym_llm.environments]\nrollout_envs = rollout_envs:ENVIRONMENTS\n"
    )
    return f"{folder}:{Path(__file__).parent}"
