"""An environment whose tasks say how it fails: for tests of what a run makes of that."""

import os
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from gym_llm.core import TextEnv, Turn
from gym_llm.errors import JudgeError, VerifierError
from gym_llm.messages import AssistantMessage
from gym_llm.tasks import Row, Task
from gym_llm.verification import Episode, Verification


class StubbornRow(Row):
    fault: str = ""
    """What happens at the first step."""
    turns: int = 1


def row(number: int, fault: str = "", turns: int = 1) -> dict[str, Any]:
    prompt = [{"role": "user", "content": f"Say yes, {number}. {fault}"}]
    return {
        "task_id": f"stubborn-{number}",
        "responses_create_params": {"input": prompt},
        "fault": fault,
        "turns": turns,
    }


@dataclass(frozen=True)
class SaysYes:
    """1.0 for a last turn that says yes; faults of grading where the task says so."""

    components: ClassVar[tuple[str, ...]] = ("yes",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        if task.row.fault == "judge":
            raise JudgeError("the judge is out")
        if task.row.fault == "verifier":
            raise VerifierError("the grader is out")
        is_yes = episode.responses[-1].content.startswith("yes")
        return Verification.of("yes", is_yes)


class StubbornEnv(TextEnv):
    """Asks for a yes."""

    row_model = StubbornRow
    data = "stubborn"
    verifier_class = SaysYes

    def respond(self, message: AssistantMessage) -> Turn:
        fault = self.episode.task.row.fault
        if fault == "raise":
            raise ValueError("out of order")
        if fault == "exit":
            os._exit(9)
        if fault == "hang":
            time.sleep(3600)
        if fault == "slow":
            time.sleep(0.3)
        reward = float("nan") if fault == "nan" else 0.0
        is_last = self.episode.turn >= self.episode.task.row.turns
        again = [] if is_last else [{"role": "user", "content": "Again."}]
        return Turn(again, reward, terminated=is_last)
