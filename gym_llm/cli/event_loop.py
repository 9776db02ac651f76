"""Running a coroutine for a whole command, as cheaply as this machine can."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

GC_THRESHOLD = 20_000
"""Allocations before the collector looks: with hundreds of rollouts alive, each look is long."""


def run_fast(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on uvloop's event loop where that is installed."""
    # What is there by now, modules mostly, stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD, *before[1:])
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(coroutine)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make
