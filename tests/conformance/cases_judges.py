"""Judge environments: a scripted judge gives the recorded replies, in the recorded order."""

import atexit
import contextlib
import dataclasses

from tests.conformance.harness import Case, Record, Replay
from tests.support.judge_server import Reply, Request, Script, ScriptedServer, fenced_texts

_servers = contextlib.ExitStack()
atexit.register(_servers.close)


def with_judge(replay: Replay, script: Script) -> Replay:
    server = _servers.enter_context(ScriptedServer(script))
    # A judge that fails must not pass for a reward of 0.
    kwargs = {**replay.kwargs, "judge": server.config, "on_failure": "raise"}
    return dataclasses.replace(replay, kwargs=kwargs)


def one_reply(record: Record, replay: Replay) -> Replay:
    return with_judge(replay, [record["row"]["judge_output"]])


def checked_replies(record: Record, replay: Replay) -> Replay:
    """Give the recorded replies, provided that our judge sees the right answer and the candidate that
    the recorded judge saw."""
    recorded = iter(record["row"]["judge_evaluations"])

    def reply(request: Request) -> Reply:
        evaluation = next(recorded)
        prompt = evaluation["responses_create_params"]["input"][-1]["content"]
        gold, _, candidate = prompt.rpartition("GOLD:\n")[2].partition("\n\nCANDIDATE:\n")
        texts = fenced_texts(request.text)
        if (texts["gold"], texts["candidate"]) != (gold, candidate):
            return {"status": 400, "message": f"the judge was shown {texts}"}
        return str(evaluation["response"]["output"][-1]["content"][-1]["text"])

    replay = dataclasses.replace(replay, row={"template_metadata": _pattern(replay), **replay.row})
    return with_judge(replay, reply)


def _pattern(replay: Replay) -> dict[str, str] | None:
    """Reconstruct the pattern of the template that shows the form ``**X**``."""
    prompt = replay.row["responses_create_params"]["input"][-1]["content"]
    return {"output_regex": r"\*\*(.*?)\*\*"} if "**X**" in prompt else None


CASES = [
    Case("gym_llm/SimpleQA-v0", "simpleqa", prepare=one_reply),
    Case("gym_llm/EquivalenceLLMJudge-v0", "equivalence_llm_judge", prepare=checked_replies),
    Case(
        "gym_llm/EquivalenceLLMJudge-v0",
        "equivalence_llm_judge__openqa",
        ("equivalence_llm_judge__example_openqa",),
        {"check_twice_swap": True},
        checked_replies,
    ),
]
