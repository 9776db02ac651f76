"""Vectors of text environments: ours against Gymnasium's, GEM's and a thread pool, in one run.

    python benchmarks/vector.py [--quick] [--only cheap starts waits real] [--sizes 8 64] [--json FILE]

Four parts, then the table of bars, with the ratio of this run for each:

- ``cheap``: a 2 us environment, observations of 200 and 8,000 characters, without and with an info.
- ``waits``: every step sleeps, lognormal with median 10 ms and sigma 1. All that step in lock-step make
  the same steps with the same waits; the others run for as long.
- ``real``: an id of each kind, 64 environments, its example actions in turn.
- ``starts``: seconds to make and reset a vector, and memory afterwards, each in a fresh interpreter.

Two floors take turns with the others: ``bare workers``, two processes that pass actions and results on
and do nothing else, and ``two loops``, two processes that pass on nothing. The column ``floor`` of the
bars has the ratio of the better of the two (in ``cheap`` of bare workers; for start-up the time of two
interpreters that import gymnasium): a bar that it misses too is out of reach on this machine.

Everything resets itself by NEXT_STEP, and resets count as steps. Ways to step take turns in short
slices, in several passes; rates are medians over passes, and a ratio is the median of the ratios within
the passes, with the least and the largest beside it. A slice in which other programs were busy is
repeated a few times, and the least disturbed one counts. CPU time and memory (PSS) are
those of the whole process tree; ``others`` is how many cores other processes kept busy meanwhile.
Gymnasium's AsyncVectorEnv starts by fork, where it is fastest, and with ``shared_memory=False``: its
default returns wrong text. GEM is measured where it is installed (``pip install gem-llm``).
"""

import argparse
import functools
import itertools
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import gymnasium
from vector_bars import SHORT, Bar, bars
from vector_candidates import (
    AIO,
    ASYNC,
    BARE,
    CANDIDATES,
    DEFAULT,
    GEM,
    GEM_THREADS,
    LOOPS,
    RECV,
    STEP,
    SYNC,
    THREADS,
    Case,
    load_gem,
)
from vector_envs import GUESSES, CheapTextEnv, WaitingTextEnv, example_actions, registered
from vector_meter import machine_s
from vector_rows import TRIES, Row, Rows, measure, ratios
from vector_starts import FORKING_LIMIT, measure_starts, start

REAL_IDS = ("MCQA", "WorkplaceAssistant", "Sokoban", "MathDAPO17k")
REAL_SIZE = 64
PARTS = ("cheap", "waits", "real", "starts")
QUIET_HELP = f"repeat slices, at most {TRIES} times, in which others kept more busy (0.4)"
START_HELP = "for the part of that name: start once, print seconds and MB an environment"


# --- printing


def print_rows(rows: Sequence[Row], all_rows: Rows) -> None:
    """Print the rows of a case."""
    first = rows[0]
    print(f"\n{first.part}, {first.case + ', ' if first.case else ''}{first.num_envs} environments")
    columns = ("steps/s", "least", "largest", "/Async", "/Sync", "cpu us", "others")
    print(f"  {'':20}" + "".join(f"{name:>10}" for name in columns))
    for row in rows:
        if row.error:
            print(f"  {row.candidate:20}  {row.error}")
            continue
        key = row.part, row.case, row.num_envs
        pairs = (ratios(all_rows, *key, row.candidate, peer) for peer in (ASYNC, SYNC))
        relative = "".join(f"{statistics.median(pair):10.2f}" if pair else f"{'':10}" for pair in pairs)
        rates = [s.rate for s in row.slices]
        shown = "".join(f"{f:10,.0f}" for f in (statistics.median(rates), min(rates), max(rates)))
        usage = f"{row.median('cpu_us'):10.1f}{row.median('others'):10.2f}"
        print(f"  {row.candidate:20}{shown}{relative}{usage}", flush=True)


def print_starts(rows: Sequence[Row]) -> None:
    """Print start-up and memory for one number of environments."""
    print(f"\nstarts, {SHORT}, {rows[0].num_envs} environments")
    print(f"  {'':20}{'':18}{'seconds':>10}{'MB/env':>10}")
    for row in rows:
        seconds, memory = row.start() if row.starts else (0.0, None)
        figures = row.error or f"{seconds:10.3f}" + ("" if memory is None else f"{memory:10.3f}")
        print(f"  {row.candidate:20}{row.case:18}{figures}", flush=True)


def print_bars(found: Sequence[Bar]) -> None:
    """Print every bar with its verdict."""
    print(f"\n{'bars':64}{'envs':>6}{'target':>9}{'here':>9}   {'spread':18}{'floor':8}")
    for bar in found:
        target = f"{'<=' if bar.is_limit else '>='} {bar.target:g}"
        here = "" if bar.figure is None else f"{bar.figure:.3g}"
        spread = "{:.3g} - {:.3g}".format(*bar.spread) if bar.spread else ""
        floor = "" if bar.floor is None else f"{bar.floor:.3g}"
        print(f"{bar.what:64}{bar.num_envs:6}{target:>9}{here:>9}   {spread:18}{floor:8}{bar.verdict}")


# --- the run


def cases(options: argparse.Namespace, available: Sequence[str]) -> Iterator[Case]:
    """Return what to measure, part by part."""
    own = Case("", "", [], GUESSES, available, options.context, seconds=options.seconds)
    everything = [name for name in available if name != DEFAULT]
    if "cheap" in options.only:
        for size, chars, has_info in itertools.product(options.sizes, (200, 8000), (False, True)):
            label = f"{chars} chars{', info' if has_info else ''}"
            maker = functools.partial(CheapTextEnv, chars, has_info)
            is_slow = size > FORKING_LIMIT and not options.all
            names = [name for name in everything if not (is_slow and name == ASYNC)]
            yield replace(own, part="cheap", label=label, makers=[maker] * size, candidates=names)
    if "waits" in options.only:
        names = [n for n in (ASYNC, STEP, RECV, AIO, GEM_THREADS, THREADS) if n in available]
        for size in (size for size in options.sizes if size <= FORKING_LIMIT):
            yield replace(
                own,
                part="waits",
                label="10 ms",
                makers=[WaitingTextEnv] * size,
                candidates=names,
                threads=(size + 1) // 2,
                # The longest of n waits grows about so: as many rounds as take the seconds.
                rounds=max(3, round(250 * options.seconds * (8 / size) ** 0.44)),
                seconds=10 * options.seconds,
            )
    if "real" in options.only:
        for name in REAL_IDS:
            env_id = f"gym_llm/{name}-v0"
            makers = [functools.partial(registered, env_id)] * REAL_SIZE
            actions = example_actions(env_id)
            # Its checks need a helper in every process: 64 times the symbolic library.
            is_slow = name == "MathDAPO17k" and not options.all
            yield replace(
                own,
                part="real",
                label=name,
                makers=makers,
                actions=actions,
                env_id=env_id,
                candidates=[n for n in available if not (is_slow and n == ASYNC)],
            )


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure")
    parser.add_argument("--sizes", nargs="+", type=int, help="numbers of environments (8 64 512 2048)")
    parser.add_argument("--seconds", type=float, help="a slice (0.4); ten times that where steps wait")
    parser.add_argument("--passes", type=int, help="slices of each candidate (5; 3 where steps wait)")
    parser.add_argument("--quiet", type=float, default=0.4, metavar="CORES", help=QUIET_HELP)
    parser.add_argument("--context", default="forkserver", choices=("forkserver", "spawn", "fork"))
    parser.add_argument(
        "--quick", action="store_true", help="64, short slices, 2 passes, nothing repeated"
    )
    parser.add_argument("--all", action="store_true", help=f"{ASYNC} also where it starts slowly")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file")
    parser.add_argument("--start", nargs=3, metavar=("CANDIDATE", "SIZE", "CONTEXT"), help=START_HELP)
    options = parser.parse_args()
    options.sizes = options.sizes or ([64] if options.quick else [8, 64, 512, 2048])
    options.seconds = options.seconds or (0.1 if options.quick else 0.4)
    options.quiet = math.inf if options.quick else options.quiet
    options.passes = options.passes or (2 if options.quick else 5)
    return options


def main() -> None:
    """Measure and print."""
    options = parsed()
    missing = load_gem()
    if options.start:
        name, size, context = options.start
        print(json.dumps(start(name, int(size), context)))
        return
    if missing:
        print(f"GEM is left out, it cannot be imported: {missing}")
    available = [name for name in CANDIDATES if not (missing and name in (GEM, GEM_THREADS))]
    rows: Rows = {}
    begun, machine = time.perf_counter(), machine_s()
    for case in cases(options, available):
        passes = min(options.passes, 3) if case.rounds else options.passes
        found = measure(case, passes, options.quiet)
        rows.update({(row.part, row.case, row.num_envs, row.candidate): row for row in found})
        print_rows(found, rows)
    if "starts" in options.only:
        names = [name for name in available if name not in (BARE, LOOPS, RECV, AIO, DEFAULT)]
        for size in options.sizes:
            found = measure_starts(size, names, options)
            rows.update({(row.part, row.case, row.num_envs, row.candidate): row for row in found})
            print_starts(found)
    verdicts = bars(rows)
    print_bars(verdicts)
    about = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "gymnasium": gymnasium.__version__,
        "context": options.context,
        "run_s": time.perf_counter() - begun,
        "busy_cores": (machine_s() - machine) / (time.perf_counter() - begun),
    }
    print(
        "\n"
        + ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in about.items())
    )
    if options.json:
        records = [row.record() for row in rows.values()]
        results = [{**vars(bar), "verdict": bar.verdict} for bar in verdicts]
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"about": about, "rows": records, "bars": results}, file, indent=1)


if __name__ == "__main__":
    main()
