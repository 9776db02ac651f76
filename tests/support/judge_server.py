"""ScriptedServer: an OpenAI-compatible server on loopback that answers what a test tells it to.

    with ScriptedServer(["A", {"status": 500}, {"content": "B", "reasoning": "hm"}]) as server:
        ...  # requests to server.base_url are answered in order of arrival
    assert server.requests[0].messages[-1]["content"] == "..."

A script is a list of replies, or a function from a `Request` to a reply. A reply is a text, or a dict:

    content, reasoning, tool_calls, finish_reason, usage: parts of the model's message
    status, message: an HTTP error
    error: the connection is dropped
    body: sent as it is, a JSON value or bytes
    headers: added to the response (Retry-After)
    delay_s: wait before the response, at most until the server closes

The same reply serves ``/v1/chat/completions`` and ``/v1/responses``. A request beyond the script gets
status 400, which no client retries.
"""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Reply = str | Mapping[str, Any]
Script = Iterable[Reply] | Callable[["Request"], Reply]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(repr=False)
    """Names in lower case."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, or the input items of the Responses API."""
        return self.body.get("messages") or self.body.get("input") or []

    @property
    def text(self) -> str:
        """The texts of all messages, joined with line breaks."""
        return "\n".join(m["content"] for m in self.messages if isinstance(m.get("content"), str))


class ScriptedServer:
    """Serves a script; use it as a context manager."""

    def __init__(self, script: Script = (), model: str = "scripted") -> None:
        self.model = model
        self.requests: list[Request] = []
        self.most_in_flight = 0
        self.closing = threading.Event()
        self._in_flight = 0
        self._script = script if callable(script) else iter(list(script))
        self._lock = threading.Lock()
        self._http = _HTTPServer(("127.0.0.1", 0), _Handler)
        self._http.scripted = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def config(self) -> dict[str, Any]:
        """What a judge's configuration needs; failures are retried at once."""
        return {"base_url": self.base_url, "model": self.model, "retry_delay_s": 0}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()
        self._thread.join()

    def reply_to(self, request: Request) -> Reply:
        """Record a request and return what the script says."""
        with self._lock:
            self.requests.append(request)
            if not callable(self._script):
                return next(self._script, {"status": 400, "message": "the script has no reply left"})
        return self._script(request)

    def count(self, change: int) -> None:
        """Note that a request came or was answered."""
        with self._lock:
            self._in_flight += change
            self.most_in_flight = max(self.most_in_flight, self._in_flight)


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    scripted: ScriptedServer

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the connections that clients keep open, so that no handler waits for them."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that went away (deadlines): that is what their tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTPServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        scripted = self.server.scripted
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": scripted.model, "object": "model"}]})
        else:
            self._send(404, _error(404, f"no such path: {self.path}"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        scripted = self.server.scripted
        scripted.count(+1)
        try:
            reply = scripted.reply_to(Request(self.path, body, headers))
            reply = {"content": reply} if isinstance(reply, str) else reply
            scripted.closing.wait(reply.get("delay_s", 0))
        finally:
            scripted.count(-1)
        self._answer(reply, body.get("model", scripted.model))

    def _answer(self, reply: Mapping[str, Any], model: str) -> None:
        headers = reply.get("headers", {})
        if "error" in reply:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif "status" in reply:
            status = reply["status"]
            self._send(status, _error(status, reply.get("message", "scripted failure")), headers)
        elif "body" in reply:
            self._send(200, reply["body"], headers)
        elif self.path == "/v1/chat/completions":
            self._send(200, _chat(reply, model), headers)
        elif self.path == "/v1/responses":
            self._send(200, _response(reply, model), headers)
        else:
            self._send(404, _error(404, f"no such path: {self.path}"))

    def _send(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "scripted", "code": status}}


def _chat(reply: Mapping[str, Any], model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.get("content")}
    if "reasoning" in reply:
        message["reasoning_content"] = reply["reasoning"]
    if "tool_calls" in reply:
        message["tool_calls"] = reply["tool_calls"]
    finish = reply.get("finish_reason", "tool_calls" if "tool_calls" in reply else "stop")
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": reply.get("usage"),
    }


def _response(reply: Mapping[str, Any], model: str) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if "reasoning" in reply:
        summary = [{"type": "summary_text", "text": reply["reasoning"]}]
        output.append({"type": "reasoning", "id": "rs", "summary": summary})
    if reply.get("content") is not None:
        parts = [{"type": "output_text", "text": reply["content"], "annotations": []}]
        message = {"type": "message", "id": "msg", "role": "assistant", "status": "completed"}
        output.append({**message, "content": parts})
    for call in reply.get("tool_calls", ()):
        output.append({"type": "function_call", "call_id": call["id"], **call["function"]})
    is_cut = reply.get("finish_reason") == "length"
    return {
        "id": "resp-scripted",
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "error": None,
        "output": output,
        "usage": reply.get("usage"),
    }


_FENCED = re.compile(r"<<<([\w ]+) (\w+)>>>\n(.*?)\n<<<end of \1 \2>>>", re.DOTALL)


def fenced_texts(prompt: str) -> dict[str, str]:
    """Return the texts that a judge's prompt has between marker lines, by their label."""
    return {label: text for label, _, text in _FENCED.findall(prompt)}


def judge_by_containment(request: Request) -> str:
    """Grade as a judge whose only rule is that the candidate must contain the right answer."""
    texts = fenced_texts(request.text)
    is_right = texts["gold"].lower() in texts["candidate"].lower()
    if "[[A!=B]]" in request.text:
        return "[[A=B]]" if is_right else "[[A!=B]]"
    return "A" if is_right else "B"
