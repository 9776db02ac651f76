"""Symbolic checks per second and core: warm workers against a fork per check and the bare library.

    python benchmarks/math_checks.py [--checks 1000] [--json FILE]

The same checks run one after the other in four ways: ``verifier`` is a whole `MathVerifier` call,
``warm`` its comparison in a warm worker process, ``library`` math-verify called in this process, which
can neither be killed nor used from threads, and ``fork`` a forked child for each check that the parent
polls every 50 ms as NeMo Gym's server does. Answers are integers and fractions (``simple``, as in
competition mathematics), or roots, decimals, sets and equations among them (``mixed``).

``/cpu s`` counts processor time of all processes that took part, so that other load on the machine
matters little; ``fork`` mostly waits, which the wall-clock columns show.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gym_llm.envs.math.math_with_judge import MathRow
from gym_llm.messages import AssistantMessage
from gym_llm.tasks import Task
from gym_llm.verification import Episode
from gym_llm.verifiers.math import MathVerifier, boxed_gold, compare

SIMPLE = ("42", "204", "-7", "1/3", r"\frac{3}{4}")
ANSWERS = {
    "simple": SIMPLE,
    "mixed": (*SIMPLE, r"\sqrt{2}", "3.25", "(1,2)", "1, 2", "x=5"),
}
POLL_S = 0.05


@dataclass(frozen=True)
class Measured:
    """One way to check, measured."""

    answers: str
    way: str
    checks: int
    wall_s: float
    cpu_s: float
    right: int

    @property
    def per_cpu_second(self) -> float:
        """Checks for each second of one core."""
        return self.checks / self.cpu_s


def pairs(kind: str, count: int) -> list[tuple[str, str]]:
    """Return golds and responses; half of the responses are wrong, none occurs twice."""
    answers = ANSWERS[kind]
    found = []
    for number in range(count):
        answer = answers[number % len(answers)]
        wrong = "" if number // len(answers) % 2 else "9"
        found.append((answer, f"Step {number}: we get {number} and so\n\n\\boxed{{{answer}{wrong}}}"))
    return found


def by_verifier(gold: str, response: str) -> float:
    """Grade an episode."""
    task = Task("task", 0, MathRow(question="?", expected_answer=gold))
    return MathVerifier()(task, Episode(task, responses=[AssistantMessage(response)])).reward


def by_worker(gold: str, response: str) -> float:
    """Compare in a warm worker."""
    return compare(gold, response).reward


def by_library(gold: str, response: str) -> float:
    """Compare in this process."""
    from gym_llm.verifiers.math_check import check

    return float(check((boxed_gold(gold), response, 10.0))["reward"])


def by_fork(gold: str, response: str) -> float:
    """Compare in a child of this process, which has the library loaded already."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_send_reward, args=(sending, gold, response), daemon=True)
    child.start()
    sending.close()
    deadline = time.monotonic() + 10.0
    while child.is_alive() and time.monotonic() < deadline:
        time.sleep(POLL_S)
    reward = float(receiving.recv()) if receiving.poll() else 0.0
    child.kill()
    child.join()
    return reward


def _send_reward(sending: Any, gold: str, response: str) -> None:
    sending.send(by_library(gold, response))


def cpu_s(worker: int | None) -> float:
    """Return the processor time of this process, its ended children and a worker."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    if worker is not None:
        with open(f"/proc/{worker}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(answers: str, way: str, check: Callable[[str, str], float], count: int) -> Measured:
    """Run the checks one after the other, after a few that warm up."""
    for gold, response in pairs(answers, 20):
        check(gold, response)
    checks = pairs(answers, count)
    worker = _only_child() if way in ("verifier", "warm") else None
    cpu, wall = cpu_s(worker), time.perf_counter()
    right = sum(check(gold, response) for gold, response in checks)
    wall, cpu = time.perf_counter() - wall, cpu_s(worker) - cpu
    return Measured(answers, way, len(checks), wall, cpu, int(right))


def _only_child() -> int:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return int(file.read().split()[0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    ways: dict[str, Callable[[str, str], float]] = {
        "verifier": by_verifier,
        "warm": by_worker,
        "library": by_library,
        "fork": by_fork,
    }
    columns = ("checks", "right", "wall s", "cpu s", "/wall s", "/cpu s")
    print(f"{'answers':9}{'way':10}" + "".join(f"{name:>9}" for name in columns))
    found = []
    for answers in ANSWERS:
        for way, check in ways.items():
            count = arguments.checks if way != "fork" else max(1, arguments.checks // 20)
            m = measure(answers, way, check, count)
            found.append(m)
            rates = f"{m.checks / m.wall_s:9.0f}{m.per_cpu_second:9.0f}"
            print(f"{answers:9}{way:10}{m.checks:9}{m.right:9}{m.wall_s:9.2f}{m.cpu_s:9.2f}{rates}")
    if arguments.json:
        rows = [{**asdict(m), "checks_per_cpu_second": m.per_cpu_second} for m in found]
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"cores": os.cpu_count(), "measured": rows}, file, indent=2)


if __name__ == "__main__":
    main()
