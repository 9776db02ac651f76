"""Starts: seconds to make and reset a vector, and the memory it takes, each in a fresh interpreter."""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vector_candidates import ASYNC, CANDIDATES, STEP, Case
from vector_envs import GUESSES, CheapTextEnv
from vector_meter import Meter, memory_mb, process_tree
from vector_rows import Row

FORKING_LIMIT = 512
"""Gymnasium needs more than 20 s to start 2,048 processes."""
INTERPRETERS, IMPORT = "two interpreters", "import gymnasium"
"""The least that two workers under spawn can take."""


def start(name: str, size: int, context: str) -> tuple[float, float]:
    """Return seconds to make and reset a vector in this process, and MB that an environment adds."""
    case = Case("starts", "", [CheapTextEnv] * size, GUESSES, [name], context, context)
    gc.collect()
    before = memory_mb(process_tree())
    begun = time.perf_counter()
    runner = CANDIDATES[name](case)
    seconds = time.perf_counter() - begun
    runner.run(Meter(0.0, 3))
    memory: float = (memory_mb(process_tree()) - before) / size
    runner.close()
    return seconds, memory


def measure_starts(size: int, candidates: Sequence[str], options: argparse.Namespace) -> list[Row]:
    """Start every candidate in interpreters of its own."""
    passes = 1 if options.quick else min(options.passes, 3)
    # A process for each environment costs 0.1 s and 20 MB each under spawn.
    limits = {"fork": FORKING_LIMIT, "spawn": 0 if options.quick else 64}
    # Bytecode is kept, as it is for whoever installs the package; the first start writes it.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    rows = [Row("starts", IMPORT, size, INTERPRETERS)]
    rows[0].starts += [(_seconds_to_import(own), None) for _ in range(passes)]
    for name in candidates:
        contexts = {STEP: ("fork", "forkserver", "spawn"), ASYNC: ("fork", "spawn")}.get(name, ("",))
        for context in contexts:
            if name == ASYNC and size > limits[context] and not options.all:
                continue
            row = Row("starts", context, size, name)
            program = str(Path(__file__).with_name("vector.py"))
            command = [sys.executable, program, "--start", name, str(size), context or "fork"]
            if name == STEP:
                subprocess.run(command, capture_output=True, env=own)
            for _ in range(passes):
                done = subprocess.run(command, capture_output=True, text=True, env=own)
                if done.returncode:
                    row.error = done.stderr.strip().rpartition("\n")[2][:200]
                    break
                row.starts.append(tuple(json.loads(done.stdout)))
            rows.append(row)
    return rows


def _seconds_to_import(environment: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    both = [subprocess.Popen([sys.executable, "-c", IMPORT], env=environment) for _ in range(2)]
    for process in both:
        process.wait()
    return time.perf_counter() - begun
