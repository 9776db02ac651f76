r"""A scripted OpenAI-compatible endpoint for measuring clients: the prompt alone decides what it does.

    python benchmarks/model_server.py [--port 0] [--latency lognormal:0.5:0.6] [--fault TEXT=http_500]

Serves ``/v1/chat/completions``, ``/v1/responses`` and ``/v1/models`` and prints its base URL when it is
ready. The answer to a multiple-choice question is a letter in ``\boxed{}`` that a hash of the last
message chooses; so is the latency, so that every client waits for the same times. ``GET /stats`` says
what was asked since the last ``POST /reset``, whose JSON body (optional) sets latency and faults anew.

A request whose last message holds the text of a ``--fault``, or falls into the share of a ``--share``
(again by its hash), goes wrong each time it is sent: ``http_400``, ``http_500``, ``cut`` (the connection
is closed without an answer), ``hang`` (the answer takes ``--hang`` seconds) or ``bad_json``.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import math
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from aiohttp import web

Fault = Literal["http_400", "http_500", "cut", "hang", "bad_json"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

_OPTION = re.compile(r"^([A-Z]): ", re.MULTILINE)
_NORMAL = statistics.NormalDist()


def letter_for(prompt: str) -> str:
    """Return the answer to a question: one of its option letters (A to D if it names none)."""
    letters = _OPTION.findall(prompt) or "ABCD"
    return letters[int(_fraction(prompt, "answer") * len(letters))]


def _fraction(prompt: str, purpose: str) -> float:
    """Return a number from 0 to 1, both exclusive, that the prompt determines."""
    digest = hashlib.blake2b(prompt.encode(), digest_size=8, person=purpose.encode()).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64


@dataclass(frozen=True)
class Latency:
    """How long answers take: ``none``, ``fixed:SECONDS`` or ``lognormal:MEDIAN_SECONDS:SIGMA``."""

    kind: str = "none"
    median_s: float = 0.0
    sigma: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a latency.

        Raises:
            ValueError: the text has none of the three forms.
        """
        kind, *numbers = text.split(":")
        if len(numbers) != {"none": 0, "fixed": 1, "lognormal": 2}.get(kind):
            raise ValueError(f"latency must be none, fixed:S or lognormal:MEDIAN:SIGMA, got {text!r}")
        return cls(kind, *map(float, numbers))

    def seconds(self, prompt: str) -> float:
        """Return the time that the answer to a prompt takes."""
        if self.kind != "lognormal":
            return self.median_s
        return self.median_s * math.exp(self.sigma * _NORMAL.inv_cdf(_fraction(prompt, "latency")))


@dataclass(frozen=True)
class Script:
    """What the endpoint does."""

    latency: Latency = Latency()
    marked: Mapping[str, Fault] = field(default_factory=dict)
    """Fault by the text that asks for it."""
    shares: Mapping[Fault, float] = field(default_factory=dict)
    hang_s: float = 30.0

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Read ``latency``, ``faults`` (text to fault), ``shares`` (fault to share) and ``hang_s``.

        Raises:
            ValueError: an unknown latency or fault.
        """
        marked, shares = options.get("faults") or {}, options.get("shares") or {}
        if unknown := {*marked.values(), *shares} - {*FAULTS}:
            raise ValueError(f"faults are {', '.join(FAULTS)}, got {', '.join(sorted(unknown))}")
        latency = Latency.parse(options.get("latency", "none"))
        return cls(latency, dict(marked), dict(shares), float(options.get("hang_s", 30.0)))

    def fault_of(self, prompt: str) -> Fault | None:
        """Return what goes wrong with a request."""
        for text, fault in self.marked.items():
            if text in prompt:
                return fault
        place = _fraction(prompt, "fault") if self.shares else 1.0
        for fault, share in self.shares.items():
            place -= share
            if place < 0:
                return fault
        return None


@dataclass
class Stats:
    """What was asked since the last reset; times are seconds since the epoch."""

    requests: int = 0
    answers: int = 0
    """Of them those that were answered as they should be."""
    faults: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    first_request: float | None = None
    last_request: float | None = None
    last_answer: float | None = None
    cpu_s: float = field(default_factory=time.process_time)
    """Processor time of the server at the reset; `to_json` has what was used since."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {**vars(self), "faults": dict(self.faults), "cpu_s": time.process_time() - self.cpu_s}


class ModelServer:
    """Answers requests by a script."""

    def __init__(self, script: Script) -> None:
        self.script, self.stats = script, Stats()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request: without a router, which would cost a tenth of the throughput."""
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                return await self._answer(request, _chat_prompt, _chat_reply)
            case "POST", "/v1/responses":
                return await self._answer(request, _responses_prompt, _responses_reply)
            case "GET", "/v1/models":
                return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})
            case "GET", "/stats":
                return web.json_response(self.stats.to_json())
            case "POST", "/reset":
                return await self._reset(request)
        return web.json_response({"error": {"message": f"no {request.path} here"}}, status=404)

    async def _reset(self, request: web.BaseRequest) -> web.Response:
        try:
            if request.can_read_body:
                self.script = Script.from_options(await request.json())
        except ValueError as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        self.stats = Stats()
        return web.json_response({})

    async def _answer(self, request: web.BaseRequest, read: Any, reply: Any) -> web.StreamResponse:
        stats, now = self.stats, time.time()
        stats.requests += 1
        stats.first_request = stats.first_request or now
        stats.last_request = now
        stats.in_flight += 1
        stats.most_in_flight = max(stats.most_in_flight, stats.in_flight)
        try:
            body = json.loads(await request.read())
            prompt = read(body)
            fault = self.script.fault_of(prompt)
            if seconds := self.script.latency.seconds(prompt):
                await asyncio.sleep(seconds)
            if fault is not None:
                stats.faults[fault] += 1
                if (response := await self._go_wrong(request, fault)) is not None:
                    return response
            stats.answers += 1
            return _json(reply(prompt, body.get("model")))
        finally:
            stats.in_flight -= 1
            stats.last_answer = time.time()

    async def _go_wrong(self, request: web.BaseRequest, fault: Fault) -> web.Response | None:
        """Return the bad answer of a fault; None where it only was late."""
        match fault:
            case "http_400" | "http_500":
                error = {"message": f"scripted {fault}", "type": fault, "code": fault}
                return web.json_response({"error": error}, status=int(fault[-3:]))
            case "bad_json":
                return web.Response(
                    text='{"id": "scripted", "choices": [', content_type="application/json"
                )
            case "cut":
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            case "hang":
                await asyncio.sleep(self.script.hang_s)
        return None


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(value).encode(), content_type="application/json")


def _chat_prompt(body: Mapping[str, Any]) -> str:
    return _text(body["messages"][-1]["content"])


def _responses_prompt(body: Mapping[str, Any]) -> str:
    given = body["input"]
    return given if isinstance(given, str) else _text(given[-1]["content"])


def _text(content: str | Iterable[Mapping[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _usage(prompt: str, answer: str) -> tuple[int, int]:
    """Return what a tokenizer might count: four characters a token."""
    return len(prompt) // 4 + 1, len(answer) // 4 + 1


def _answer_for(prompt: str) -> str:
    return f"The right option is \\boxed{{{letter_for(prompt)}}}."


def _chat_reply(prompt: str, model: Any) -> dict[str, Any]:
    answer = _answer_for(prompt)
    asked, said = _usage(prompt, answer)
    message = {"role": "assistant", "content": answer, "refusal": None}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def _responses_reply(prompt: str, model: Any) -> dict[str, Any]:
    answer = _answer_for(prompt)
    asked, said = _usage(prompt, answer)
    content = {"type": "output_text", "text": answer, "annotations": []}
    item = {"id": "msg-scripted", "type": "message", "role": "assistant", "status": "completed"}
    return {
        "id": "resp-scripted",
        "object": "response",
        "created_at": 1_700_000_000.0,
        "model": model,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [{**item, "content": [content]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": None,
        "top_p": None,
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said,
        },
    }


async def serve(script: Script, port: int) -> None:
    """Serve on the loopback interface until cancelled; port 0 takes a free one."""
    server = web.Server(ModelServer(script).handle, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    taken = runner.addresses[0][1]
    print(f"http://127.0.0.1:{taken}/v1", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", default="none")
    parser.add_argument("--fault", action="append", default=[], metavar="TEXT=FAULT")
    parser.add_argument("--share", action="append", default=[], metavar="FAULT=SHARE")
    parser.add_argument("--hang", type=float, default=30.0, metavar="SECONDS")
    arguments = parser.parse_args()
    faults = dict(item.rsplit("=", 1) for item in arguments.fault)
    shares = {name: float(share) for name, _, share in (s.partition("=") for s in arguments.share)}
    options = {
        "latency": arguments.latency,
        "faults": faults,
        "shares": shares,
        "hang_s": arguments.hang,
    }
    try:
        script = Script.from_options(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        import uvloop  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        run = asyncio.run
    else:
        run = uvloop.run
    with contextlib.suppress(KeyboardInterrupt):
        run(serve(script, arguments.port))


if __name__ == "__main__":
    main()
