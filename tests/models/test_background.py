"""The loop of a process: synchronous calls, threads, forks."""

import subprocess
import sys
import threading

import pytest

from gym_llm.models import Endpoint, background
from tests.support.judge_server import Request, ScriptedServer

HELLO = [{"role": "user", "content": "Hello"}]


def ask(endpoint: Endpoint) -> str:
    return background.run(background.client_for(endpoint).complete(HELLO)).message.content


def test_threads_share_the_limit_of_an_endpoint() -> None:
    together = threading.Barrier(2, timeout=30)

    def reply(request: Request) -> str:
        together.wait()
        return "Hi"

    with ScriptedServer(reply) as server:
        endpoint = Endpoint(server.base_url, "m", max_concurrency=2)
        threads = [threading.Thread(target=ask, args=(endpoint,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 8
        assert server.most_in_flight == 2


def test_one_client_for_equal_endpoints() -> None:
    first, second = (Endpoint("http://127.0.0.1:9/v1", "m", params={"seed": 1}) for _ in range(2))
    other = Endpoint("http://127.0.0.1:9/v1", "m", params={"seed": 2})
    assert background.client_for(first) is background.client_for(second)
    assert background.client_for(first) is not background.client_for(other)


def test_waiting_for_the_loop_on_the_loop_is_refused() -> None:
    async def inner() -> None:
        pass

    async def outer() -> None:
        background.run(inner())

    with pytest.raises(RuntimeError, match="await instead"):
        background.run(outer())


# Prints what parent, forked child and parent again are told. The child ends as a normal process does, so
# that what it inherited is torn down.
_FORK = """
import os, sys
from gym_llm.models import Endpoint, background

def ask(who):
    messages = [{"role": "user", "content": who}]
    client = background.client_for(Endpoint(sys.argv[1], "m", timeout_s=30))
    print(background.run(client.complete(messages)).message.content, flush=True)

ask("parent")
child = os.fork()
if child == 0:
    ask("child")
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
ask("parent again")
"""


def test_forked_child_has_a_loop_of_its_own_and_leaves_the_parents_alone() -> None:
    with ScriptedServer(lambda request: request.text) as server:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORK, server.base_url]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (run.stdout, run.stderr) == ("parent\nchild\nparent again\n", "")
