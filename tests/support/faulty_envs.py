"""Environments that fail in one way each, when an action tells them to."""

import ctypes
import faulthandler
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import multiprocess

from tests.support.vector_envs import Walk

CATASTROPHE = re.compile(r"(a+)+$")


class TwoPartError(Exception):
    """Cannot be made from its own text."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")


class LockedError(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class MuteError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class HostileError(Exception):
    """Ends the process that asks for its text."""

    def __str__(self) -> str:
        raise SystemExit("no text")


class OnlyThere:
    """Can be pickled in a worker and not be made again in its parent."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _only_in_process, (os.getpid(),)


def _only_in_process(pid: int) -> str:
    if os.getpid() != pid:
        raise RuntimeError("made in another process")
    return "made"


def raise_plain() -> None:
    raise ValueError("plain trouble")


def raise_two_part() -> None:
    raise TwoPartError("a hole", "the bucket")


def raise_decoding() -> None:
    json.loads("{")


def raise_local() -> None:
    class LocalError(Exception):
        pass

    raise LocalError("defined inside a function")


def raise_chained() -> None:
    try:
        raise_plain()
    except ValueError as error:
        raise KeyError("chained") from error


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    faulthandler.disable()
    ctypes.string_at(0)


def sleep_for_ever() -> None:
    while True:
        time.sleep(1)


def hold_the_interpreter() -> None:
    CATASTROPHE.match("a" * 80 + "b")


def throw(error: BaseException) -> None:
    raise error


FAULTS: dict[str, Callable[[], Any]] = {
    "plain": raise_plain,
    "two-part": raise_two_part,
    "decoding": raise_decoding,
    "local": raise_local,
    "chained": raise_chained,
    "locked": lambda: throw(LockedError()),
    "mute": lambda: throw(MuteError()),
    "hostile": lambda: throw(HostileError()),
    "sys-exit": lambda: sys.exit(3),
    "interrupt": lambda: throw(KeyboardInterrupt("from inside")),
    "stop-iteration": lambda: throw(StopIteration(1)),
    "recursion": lambda: throw(RecursionError("too deep")),
    "os-exit": lambda: os._exit(5),
    "sigkill": kill_itself,
    "segfault": segfault,
    "sleep": sleep_for_ever,
    "nap": lambda: time.sleep(1),
    "hold": hold_the_interpreter,
}


class Faulty(Walk):
    """A `Walk` that fails when an action names a fault.

    Args:
        fails_in: ``"step"`` for the fault of the action, ``"reset"`` for ``fault`` at each reset after
            the first, ``"making"`` for ``fault`` in the constructor.
        fault: what `fails_in` brings about.
        remade: a file that exists once the environment has been made; ``"making"`` fails only then.
        is_deaf: whether the process ignores SIGTERM.
    """

    def __init__(
        self,
        name: str = "walk",
        length: int = 3,
        fails_in: str = "step",
        fault: str = "plain",
        remade: str = "",
        is_deaf: bool = False,
    ) -> None:
        super().__init__(name, length)
        self.fails_in, self.fault = fails_in, fault
        if fails_in == "making" and (not remade or os.path.exists(remade)):
            FAULTS[fault]()
        if remade:
            open(remade, "w").close()
        if is_deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        if self.fails_in == "reset" and self.resets:
            FAULTS[self.fault]()
        if name := (options or {}).get("fault"):
            FAULTS[name]()
        return super().reset(seed=seed, options=options)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if action in FAULTS:
            FAULTS[action]()
        observation, reward, terminated, truncated, info = super().step(action)
        if action == "huge":
            observation += "x" * 20_000_000
        elif action == "unpicklable":
            info["lock"] = threading.Lock()
        elif action == "only-there":
            info["thing"] = OnlyThere()
        elif action == "children":
            info["pids"] = self._start_children()
        return observation, reward, terminated, truncated, info

    def broken_value(self) -> Any:
        """Return what cannot be pickled."""
        return threading.Lock()

    def distant_value(self) -> Any:
        """Return what can only be unpickled in the process that made it."""
        return OnlyThere()

    def fail(self, name: str) -> Any:
        """Bring a fault about outside of a step."""
        return FAULTS[name]()

    def pid(self) -> int:
        """Return the number of the process."""
        return os.getpid()

    def _start_children(self) -> list[int]:
        """Start a program, a ``multiprocess`` child and a plain fork, none of which ends by itself."""
        program = subprocess.Popen(["sleep", "1000"])
        program.returncode = 0  # nobody waits for it
        child = multiprocess.get_context("fork").Process(target=time.sleep, args=(1000,), daemon=True)
        child.start()
        fork = os.fork()
        if fork == 0:
            time.sleep(1000)
            os._exit(0)
        return [program.pid, child.pid, fork]
