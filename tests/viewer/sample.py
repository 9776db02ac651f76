"""A run for viewers: real episodes of four environments, failures, hostile text."""

import base64
import io
from pathlib import Path
from typing import Any

import gymnasium
from PIL import Image

import gym_llm  # noqa: F401
from gym_llm.core.text_env import core_of
from gym_llm.rollouts.records import CallRecord, FailureRecord, Job, Rollout, Timings
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.runs import make_run, rollout

WORKPLACE = "gym_llm/WorkplaceAssistant-v0"
SOKOBAN = "gym_llm/Sokoban-v0"
MCQA = "gym_llm/MCQA-v0"
INJECTION = "gym_llm/IndirectPromptInjection-v0"

HOSTILE = (
    '<img src=x onerror="window.hacked = 1"><svg onload="window.hacked = 2"></svg>'
    "</script><script>window.hacked = 3; alert(3)</script><!-- <script> &lt;b&gt; [red]markup[/red]"
)
CONTROLS = (
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m \u202egnp.exe\u202c hidden\u200btext \U000e0041 tab\tend"
)
LONG = "\n".join(f"line {number}: " + "words " * 20 for number in range(8000))


def played(env_id: str, task: int, repeat: int = 0, actions: list[str] | None = None) -> Rollout:
    """Play a task with the actions given, or with its reference, and return the record."""
    env = gymnasium.make(env_id, disable_env_checker=True)
    job = Job.of(env_id, task, repeat, 0)
    _, info = env.reset(seed=job.seeds.env, options={"task": task})
    core, task_id, tools = core_of(env, "the sample"), info["task_id"], info.get("tools")
    rewards: list[float] = []
    ended = terminated = False
    for action in actions or core.episode.task.row.reference:
        if not ended:
            _, reward, terminated, truncated, info = env.step(action)
            rewards.append(float(reward))
            ended = terminated or truncated
    verification = info.get("verification")
    env.close()
    return Rollout(
        env_id=env_id,
        task_id=task_id,
        task_index=task,
        repeat=repeat,
        seeds=job.seeds,
        state="completed" if terminated else "truncated",
        reward=sum(rewards),
        step_rewards=rewards,
        rewards=dict(verification.rewards) if verification else {},
        verification=verification.to_dict() if verification else None,
        messages=list(core.episode.transcript),
        tools=tools,
        turns=len(rewards),
        calls=[
            CallRecord(input_tokens=400, output_tokens=30 + n, model="m") for n in range(len(rewards))
        ],
        timings=Timings(
            started_at=1.7e9, duration_s=1.5 * len(rewards), model_s=1.0, attempts=len(rewards)
        ),
    )


def episodes() -> list[Rollout]:
    """Real episodes: references, wrong answers, an episode that is cut off."""
    found = [
        played(env_id, task) for env_id in (WORKPLACE, SOKOBAN, MCQA, INJECTION) for task in range(3)
    ]
    found += [played(MCQA, task, 1, ["Let me see.\nIt must be \\boxed{D}"]) for task in range(3)]
    found.append(played(SOKOBAN, 0, 1, ["<action>Up</action>", "I walk down.\n<action>Down</action>"]))
    email = '{"name": "email_search_emails", "arguments": {"query": "yara lunch"}}'
    found.append(played(WORKPLACE, 0, 1, [f"<tool_call>{email}</tool_call>", "Done, I think."]))
    return found


def answered(task: int, content: Any, **values: Any) -> Rollout:
    """Return a rollout whose model said ``content``."""
    messages = [
        {"role": "user", "content": f"Question {task}?"},
        {"role": "assistant", "content": content, **values.pop("message", {})},
    ]
    return rollout(task, env_id=MCQA, messages=messages, **values)


def hostile() -> list[Rollout]:
    """Rollouts whose text tries to be more than text."""
    call = {"function": {"name": HOSTILE, "arguments": f'{{"code": "a\\nb", "x": "{"y" * 20}"}}'}}
    broken = {"id": "c", "type": "function", "function": {"name": "run", "arguments": '{"unclosed": '}}
    fields = {"extracted_answer": HOSTILE, HOSTILE: CONTROLS}
    return [
        answered(10, HOSTILE, reward=1.0, verification={"reward": 1.0, "rewards": {}, "fields": fields}),
        answered(11, CONTROLS, message={"reasoning_content": f"thinking {HOSTILE}"}),
        answered(12, LONG),
        answered(13, "", message={"tool_calls": [call, broken]}),
        answered(14, [{"type": "text", "text": "Look:"}, picture(), {"type": "odd", "text": 3}, "bare"]),
        answered(15, "", failure=failure("model_http", "HTTP 400", HOSTILE), reward=0.0),
        answered(16, "", failure=failure("env_crash", "SIGKILL", "the process is gone"), reward=0.0),
    ]


def picture() -> dict[str, Any]:
    """Return a part of a message: a small picture."""
    data = io.BytesIO()
    Image.new("RGB", (48, 32), "teal").save(data, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def failure(kind: Any, cause: str, message: str) -> FailureRecord:
    """Return a failure with a traceback."""
    trace = f'Traceback (most recent call last):\n  File "env.py", line 3, in step\n{message}'
    return FailureRecord(kind=kind, cause=cause, message=message, traceback=trace)


def sample_run(path: Path) -> RunFolder:
    """Write the whole sample."""
    return make_run(path, [*episodes(), *hostile()], agent="reference")
