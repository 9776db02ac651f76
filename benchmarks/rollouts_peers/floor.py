"""The floor under every collector: ask, grade, forget. No environments, records, retries or metrics.

    python floor.py raw|openai BASE_URL ROWS CONCURRENCY REPEATS

``raw`` posts with aiohttp (and orjson where installed), ``openai`` calls the openai client on its
aiohttp transport; both grade with gym_llm's verifier, on uvloop where installed. Prints the counts as
JSON.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gym_llm.envs.knowledge.mcqa import MCQARow
from gym_llm.messages import AssistantMessage
from gym_llm.tasks import Task
from gym_llm.verification import Episode
from gym_llm.verifiers.choice import Choice

Ask = Callable[[list[dict[str, Any]]], Awaitable[str]]

VERIFIER = Choice()


def grade(task: Task, answer: str) -> float:
    """Return the reward of an answer."""
    return VERIFIER(task, Episode(task, responses=[AssistantMessage(answer)])).reward


async def collect(tasks: list[Task], ask: Ask, concurrency: int) -> float:
    """Ask and grade every task, so many at once; return the sum of the rewards."""
    queue = iter(tasks)
    rewards = 0.0

    async def work() -> None:
        nonlocal rewards
        for task in queue:
            # Not in one line with +=, which would read the sum before it waits.
            answer = await ask(task.row.messages)
            rewards += grade(task, answer)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return rewards


async def raw(tasks: list[Task], base_url: str, concurrency: int) -> float:
    """Ask with aiohttp alone."""
    import aiohttp

    try:
        from orjson import dumps, loads  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        dumps, loads = (lambda value: json.dumps(value).encode()), json.loads
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(messages: list[dict[str, Any]]) -> str:
            body = dumps({"model": "m", "messages": messages})
            async with session.post(f"{base_url}/chat/completions", data=body) as response:
                text: str = loads(await response.read())["choices"][0]["message"]["content"]
                return text

        return await collect(tasks, ask, concurrency)


async def openai_client(tasks: list[Task], base_url: str, concurrency: int) -> float:
    """Ask with the openai client."""
    import openai

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=concurrency, max_keepalive_connections=concurrency
    )
    http_client = openai.DefaultAioHttpClient(limits=limits)
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, http_client=http_client
    ) as client:

        async def ask(messages: list[dict[str, Any]]) -> str:
            reply = await client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]
            return reply.choices[0].message.content or ""

        return await collect(tasks, ask, concurrency)


def main() -> None:
    """Read the rows, collect and print."""
    way, base_url, rows, concurrency, repeats = sys.argv[1:]
    lines = Path(rows).read_text().splitlines()
    tasks = [Task(f"{i}", i, MCQARow.model_validate_json(line)) for i, line in enumerate(lines)]
    try:
        import uvloop  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        run: Callable[..., float] = asyncio.run
    else:
        run = uvloop.run
    ways = {"raw": raw, "openai": openai_client}
    right = run(ways[way](tasks * int(repeats), base_url, int(concurrency)))
    print(json.dumps({"rollouts": len(tasks) * int(repeats), "right": right}))


if __name__ == "__main__":
    main()
