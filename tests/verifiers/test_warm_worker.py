"""WarmPool: hangs, crashes, memory, big payloads, threads, forks, and the end of the parent.

The function of most pools is ``eval``, so that each test says what its worker does.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gym_llm.errors import WorkerError
from gym_llm.verifiers.warm_worker import CallError, WarmPool, WorkerCrash, WorkerTimeout

PID = "__import__('os').getpid()"
SLEEP = "__import__('time').sleep(600)"
C_CODE = "9 ** 9 ** 9"  # minutes without a moment for other threads or signals


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool("builtins:eval", workers=1) as pool:
        yield pool


def wait_for_end(pid: int) -> bool:
    """Wait for a process that is not our child, at most a minute."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    end = select.poll()
    end.register(fd, select.POLLIN)
    try:
        return bool(end.poll(60_000))
    finally:
        os.close(fd)


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=120
    )
    return done.stdout


def test_worker_is_used_again(pool: WarmPool) -> None:
    assert pool.call(PID, 60) == pool.call(PID, 60) != os.getpid()


def test_function_runs_in_the_main_thread(pool: WarmPool) -> None:
    assert pool.call("(t := __import__('threading')).current_thread() is t.main_thread()", 60)


@pytest.mark.parametrize("code", [pytest.param(SLEEP, id="sleep"), pytest.param(C_CODE, id="c-code")])
def test_hanging_call_is_killed_and_its_worker_replaced(pool: WarmPool, code: str) -> None:
    pid = pool.call(PID, 60)
    started = time.monotonic()
    with pytest.raises(WorkerTimeout, match=r"builtins:eval: no result after 0\.3 s"):
        pool.call(code, 0.3)
    assert time.monotonic() - started < 30  # a bound against hangs, not a measurement
    assert wait_for_end(pid)
    assert pool.call(PID, 60) != pid


def test_crash_is_reported_and_the_worker_replaced(pool: WarmPool) -> None:
    pid = pool.call(PID, 60)
    with pytest.raises(WorkerCrash, match="the worker died"):
        pool.call("__import__('os').abort()", 60)
    assert pool.call(PID, 60) != pid


def test_worker_that_died_while_idle_is_replaced_without_an_error(pool: WarmPool) -> None:
    pid = pool.call(PID, 60)
    os.kill(pid, signal.SIGKILL)
    assert wait_for_end(pid)
    assert pool.call("1 + 1", 60) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", id="exception"),
        pytest.param("__import__('sys').exit(4)", "SystemExit: 4", id="exit"),
        pytest.param("{1}", "TypeError: Object of type set is not JSON serializable", id="result"),
        pytest.param("(" * 10_000, "MemoryError|SyntaxError", id="parser"),
    ],
)
def test_error_of_the_function_names_its_cause_and_keeps_the_worker(
    pool: WarmPool, code: str, error: str
) -> None:
    pid = pool.call(PID, 60)
    with pytest.raises(CallError, match=error):
        pool.call(code, 60)
    assert pool.call(PID, 60) == pid


def test_ten_megabytes_pass_both_ways() -> None:
    text = "é" * 5_000_000 + "\ud800" + "\0" * 5_000_000
    with WarmPool("copy:copy", workers=1) as pool:
        assert pool.call(text, 60) == text


def test_payload_for_a_worker_that_does_not_read_runs_out_of_time(pool: WarmPool) -> None:
    pid = pool.call(PID, 60)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeout):
        pool.call("0" * 10_000_000, 0.5)


def test_what_the_function_prints_or_reads_does_not_touch_the_channel(pool: WarmPool) -> None:
    code = """[print("x" * 99999, flush=True), __import__("os").write(1, b"y" * 99),
               __import__("os").write(2, b"z"), __import__("sys").stdin.read()]"""
    assert pool.call(code, 60) == [None, 99, 1, ""]
    assert pool.call("'still in step'", 60) == "still in step"


def test_memory_is_limited() -> None:
    with WarmPool("builtins:eval", workers=1, memory_bytes=1 << 30) as pool:
        pid = pool.call(PID, 60)
        with pytest.raises(CallError, match="MemoryError"):
            pool.call("len(bytes(1 << 31))", 60)
        assert pool.call(PID, 60) == pid


def test_worker_that_has_grown_is_replaced() -> None:
    with WarmPool("builtins:eval", workers=1, memory_bytes=1 << 30) as pool:
        pid = pool.call(PID, 60)
        keep = "__import__('builtins').__dict__.update(kept=b'x' * (300 << 20))"
        pool.call(keep, 60)
        assert pool.call(PID, 60) != pid


def test_threads_share_at_most_the_given_number_of_workers() -> None:
    code = "(__import__('time').sleep(0.005), {} * 2, {})[1:]"
    with WarmPool("builtins:eval", workers=2) as pool, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda i: pool.call(code.format(i, PID), 60), range(100)))
    assert [number for number, _ in results] == [2 * i for i in range(100)]
    assert len({pid for _, pid in results}) == 2


@pytest.mark.parametrize(
    ("target", "error"),
    [
        pytest.param("no_such_module:f", "ModuleNotFoundError", id="module"),
        pytest.param("json:no_such_function", "AttributeError", id="function"),
        pytest.param("antigravity_:", "ModuleNotFoundError", id="no-function"),
    ],
)
def test_target_that_cannot_be_loaded_is_no_fault_of_the_payload(target: str, error: str) -> None:
    with WarmPool(target) as pool, pytest.raises(WorkerError, match=error) as caught:
        pool.call(None, 60)
    assert not isinstance(caught.value, CallError)


def test_interpreter_that_cannot_be_started_is_a_worker_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with WarmPool("json:dumps") as pool, pytest.raises(WorkerError, match="cannot be started"):
        pool.call(None, 60)


def test_closed_pool_ends_its_workers_and_refuses_calls() -> None:
    with WarmPool("builtins:eval") as pool:
        pid = pool.call(PID, 60)
    assert wait_for_end(pid)
    with pytest.raises(WorkerError, match="the pool is closed"):
        pool.call(PID, 60)


def test_forked_daemonic_child_has_workers_of_its_own() -> None:
    script = f"""
import json, multiprocessing
from gym_llm.verifiers.warm_worker import WarmPool
pool = WarmPool("builtins:eval", workers=1)
fork = multiprocessing.get_context("fork")
before = pool.call({PID!r}, 60)
queue = fork.SimpleQueue()
child = fork.Process(target=lambda: queue.put(pool.call({PID!r}, 60)), daemon=True)
child.start()
in_child = queue.get()
child.join()
print(json.dumps([before, in_child, pool.call({PID!r}, 60), child.exitcode]))
"""
    before, in_child, after, exit_code = json.loads(run(script))
    assert before == after != in_child
    assert exit_code == 0
    assert wait_for_end(in_child)
    assert wait_for_end(before)


def test_python_exits_while_a_thread_waits_for_a_call() -> None:
    script = f"""
import threading
from gym_llm.verifiers.warm_worker import WarmPool
pool = WarmPool("builtins:eval", workers=1)
print(pool.call({PID!r}, 60))
threading.Thread(target=pool.call, args=({SLEEP!r}, 600), daemon=True).start()
"""
    assert wait_for_end(int(run(script)))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("0", id="idle"),
        pytest.param(SLEEP, id="sleep"),
        pytest.param(C_CODE, id="c-code"),
    ],
)
def test_killed_parent_leaves_no_worker(code: str) -> None:
    script = f"""
import time
from gym_llm.verifiers.warm_worker import WarmPool
pool = WarmPool("builtins:eval", workers=1)
print(pool.call({PID!r}, 60), flush=True)
pool.call({code!r}, 1)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert wait_for_end(pid)
