"""Response cache: what is the same request, and who may share a file."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import ConfigError, ModelError
from gym_llm.models import Client, Completion, Endpoint, ResponseCache
from tests.support.judge_server import ScriptedServer

HELLO = [{"role": "user", "content": "Hello"}]


def ask(server: ScriptedServer, path: Path, salts: str = "a", **fields: Any) -> list[Completion]:
    async def run() -> list[Completion]:
        with ResponseCache(path) as cache:
            client = Client(Endpoint(server.base_url, "m", max_retries=0, **fields), cache)
            try:
                return [await client.complete(HELLO, cache_salt=salt) for salt in salts]
            finally:
                await client.close()

    return asyncio.run(run())


def test_equal_request_is_asked_once(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    prices = {"input": 1.0, "output": 10.0}
    with ScriptedServer([{"content": "one", "usage": usage}]) as server:
        (first,) = ask(server, tmp_path / "cache", prices=prices)
        (second,) = ask(server, tmp_path / "cache", prices=prices)
    assert (first.is_cached, first.attempts, first.cost) == (False, 1, pytest.approx(0.002))
    assert (second.is_cached, second.attempts, second.cost) == (True, 0, 0.0)
    assert (second.message, second.usage) == (first.message, first.usage)


def test_salt_parameters_and_place_make_another_request(tmp_path: Path) -> None:
    with ScriptedServer(["a", "b", "c", "d"]) as server:
        texts = [c.message.content for c in ask(server, tmp_path / "cache", "abab")]
        assert texts == ["a", "b", "a", "b"]
        assert ask(server, tmp_path / "cache", params={"seed": 1})[0].message.content == "c"
        assert ask(server, tmp_path / "cache", api="responses")[0].message.content == "d"
    with ScriptedServer(["e"]) as other:
        assert ask(other, tmp_path / "cache")[0].message.content == "e"


def test_order_of_keys_is_of_no_account(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "cache") as cache:
        one = cache.key("http://x/v1", "chat", {"a": 1, "b": {"c": 2, "d": 3}})
        assert one == cache.key("http://x/v1/", "chat", {"b": {"d": 3, "c": 2}, "a": 1})
        assert one != cache.key("http://x/v1", "chat", {"a": 1, "b": {"c": 2, "d": 4}})


def test_failures_are_not_stored(tmp_path: Path) -> None:
    with ScriptedServer([{"status": 400}, {"body": {"choices": []}}, "good"]) as server:
        for _ in range(2):
            with pytest.raises(ModelError):
                ask(server, tmp_path / "cache")
        assert ask(server, tmp_path / "cache")[0].message.content == "good"


def test_entry_that_is_no_reply_is_asked_for_again(tmp_path: Path) -> None:
    with ScriptedServer(["one", "two", "three"]) as server:
        ask(server, tmp_path / "cache")
        for bad in (b"{}", b"{no"):
            file = sqlite3.connect(tmp_path / "cache")
            file.execute("UPDATE replies SET reply = ?", (bad,))
            file.commit()
            file.close()
            assert not ask(server, tmp_path / "cache")[0].is_cached


def test_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be read as the head of one\n" * 9)
    with pytest.raises(ConfigError, match=r"response cache .*text: file is not a database"):
        ResponseCache(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(ConfigError, match="a database of something else"):
        ResponseCache(tmp_path / "other")
    with pytest.raises(ConfigError, match="unable to open"):
        ResponseCache(tmp_path / "no folder" / "cache")


_WRITER = """
import asyncio, sys
from gym_llm.models import ResponseCache

async def write():
    with ResponseCache(sys.argv[1]) as cache:
        for n in range(200):
            key = cache.key("http://x", "chat", {"n": n}, sys.argv[2])
            await cache.put(key, {"n": n})
            assert cache.get(key) == {"n": n}

asyncio.run(write())
"""


def test_processes_share_a_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "cache")]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    with ResponseCache(tmp_path / "cache") as cache:
        assert len(cache) == 800
