"""Collecting rollouts: ours against peers and a bare loop on the same tasks and endpoint, in one run.

    python benchmarks/rollouts.py [--quick] [--only speed start memory faults] [--json FILE]
        [--peer-python NAME=PATH ...] [--nemo-gym CHECKOUT] [--passes 3]

The endpoint is ``model_server.py`` in its own process; all contenders answer the same multiple-choice
tasks, and a run counts only if it graded every task as expected with one request each. Contenders:

- ``gym_llm``: ours, by its command.
- ``raw``, ``openai``: the floor, a loop that asks and grades, on aiohttp and on the openai client.
- ``verifiers``, ``inspect``, ``nemo_gym``: peers, where they are installed: ``--peer-python`` names the
  Python of a contender (``server`` that of the endpoint). NeMo Gym needs a checkout, too.

Parts: ``speed`` without latency, with 100 ms, and with lognormal latency (median 0.5 s, sigma 0.6);
``start``: one rollout; ``memory``: 1,000 tasks once and ten times; ``faults``: see `rollouts_faults`.

Rates are taken at the endpoint, from the first request to the last answer. ``share`` is the time of a
client that only waits (its list schedule) over the time taken. ``cpu ms`` is processor time of a rollout
in the command, all that it starts, and NeMo Gym's servers, less that of a command with one rollout;
``in all`` is with it. ``others`` is how many cores other programs kept busy: of several passes the least
disturbed one counts.
"""

import argparse
import json
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rollouts_bars import Bar, Table, bars
from rollouts_contenders import Contender, contenders
from rollouts_faults import faults_report, measure_faults
from rollouts_meter import adopt_orphans, end_tree
from rollouts_rows import Case, Endpoint, Row, measure_case

PARTS = ("start", "speed", "memory", "faults")
LOGNORMAL = "lognormal:0.5:0.6"


def cases(part: str, scale: float) -> list[Case]:
    """Return the cases of a part; ``scale`` is the part of the full number of rollouts to make."""

    def some(rollouts: int, concurrency: int) -> int:
        return max(1, round(rollouts * scale / concurrency)) * concurrency

    if part == "start":
        return [Case("start", "none", 1, 1)]
    if part == "memory":
        tasks = max(100, round(1000 * scale))
        found = [("memory, once", 1), ("memory, 10 times", 10)]
        return [
            Case(n, "none", 64, tasks, repeats, is_memory_wanted=True, passes=1) for n, repeats in found
        ]
    speed = [
        ("0 ms", "none", 64, 3072),
        ("0 ms", "none", 512, 3072),
        ("100 ms", "fixed:0.1", 16, 640),
        ("100 ms", "fixed:0.1", 64, 2560),
        ("100 ms", "fixed:0.1", 512, 5120),
        ("lognormal", LOGNORMAL, 64, 1024),
        ("lognormal", LOGNORMAL, 512, 4096),
    ]
    return [Case(f"{name}, {n}", latency, n, some(count, n)) for name, latency, n, count in speed]


def main() -> int:
    """Measure and print; 1 if a bar was missed."""
    arguments = _arguments()
    pythons = dict(item.split("=", 1) for item in arguments.peer_python)
    everyone = contenders(pythons, arguments.nemo_gym)
    wanted = [c for c in everyone if not arguments.contenders or c.name in arguments.contenders]
    notes = {c.name: reason for c in wanted if (reason := c.missing()) is not None}
    running = [c for c in wanted if c.name not in notes]
    adopt_orphans()
    # Ends what was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    endpoint = Endpoint(pythons.get("server", sys.executable))
    services: dict[str, subprocess.Popen[bytes]] = {}
    rows: list[Row] = []
    faults: dict[str, Any] | None = None
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            measured = [part for part in PARTS if part in arguments.only and part != "faults"]
            if measured:
                _start_services(running, endpoint, Path(folder), services, notes)
            for part in measured:
                for case in cases(part, arguments.scale):
                    if arguments.cases and case.name not in arguments.cases:
                        continue
                    rows += measure_case(
                        case, running, services, endpoint, arguments.passes, arguments.timeout
                    )
            if "faults" in arguments.only:
                python = pythons.get("gym_llm", sys.executable)
                faults = measure_faults(python, endpoint, round(2000 * arguments.scale))
    except (KeyboardInterrupt, SystemExit):
        notes["the rest"] = "interrupted"
    finally:
        for service in services.values():
            end_tree(service)
        endpoint.close()
    demands = bars(rows) if rows else []
    if rows:
        _print_rows(rows)
        _print_bars(demands)
    if faults is not None:
        print(faults_report(faults))
    for name, reason in notes.items():
        print(f"left out: {name}: {reason}")
    print(f"{time.monotonic() - begun:.0f} s, Python {platform.python_version()}")
    if arguments.json:
        record = {"rows": [r.to_json() for r in rows], "bars": [_record(b) for b in demands]}
        with open(arguments.json, "w") as file:
            json.dump({**record, "faults": faults, "left_out": notes}, file, indent=1)
    missed = any(bar.verdict == "FAIL" for bar in demands)
    return int(missed or (faults is not None and not faults["passed"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rollouts, one pass")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the rollouts to make (1)")
    parser.add_argument("--passes", type=int, default=3, help="runs of each contender in a case (3)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="only these, e.g. '100 ms, 64'")
    parser.add_argument("--contenders", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--peer-python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--nemo-gym", type=Path, metavar="CHECKOUT")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one run (300)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.scale, arguments.passes = 0.1, 1
    return arguments


def _start_services(
    running: list[Contender],
    endpoint: Endpoint,
    folder: Path,
    services: dict[str, subprocess.Popen[bytes]],
    notes: dict[str, str],
) -> None:
    """Start what contenders need; one whose services do not start is left out with a note."""
    for contender in list(running):
        try:
            service = contender.start(endpoint.base_url, folder)
        except RuntimeError as error:
            notes[contender.name] = str(error)
            running.remove(contender)
        else:
            if service is not None:
                services[contender.name] = service


def _print_rows(rows: Sequence[Row]) -> None:
    table = Table(rows)
    names = ("rollouts", "/s", "share", "cpu ms", "in all", "first s", "peak MB", "flying", "others")
    print(f"{'case':16}{'contender':11}" + "".join(f"{name:>9}" for name in names))
    for row in rows:
        start = f"{row.case.name:16}{row.contender:11}"
        if row.error is not None:
            print(start + row.error.replace("\n", " ")[-150:])
            continue
        best, cpu = row.best, table.cpu_ms(row.case.name, row.contender)
        cells = [
            f"{best.rollouts}",
            f"{row.rate:.0f}" if best.rollouts > 1 else "",
            "" if row.share is None else f"{row.share:.2f}",
            "" if cpu is None or best.rollouts == 1 else f"{cpu:.2f}",
            f"{row.cpu_ms:.2f}",
            f"{row.first_request_s:.2f}",
            "" if best.peak_mb is None else f"{best.peak_mb:.0f}",
            f"{best.most_in_flight}",
            f"{best.others:.1f}",
        ]
        note = f"  left {best.left_over} processes" if best.left_over else ""
        print(start + "".join(f"{cell:>9}" for cell in cells) + note)


def _print_bars(demands: Sequence[Bar]) -> None:
    print(f"\n{'bar':50}{'ours':>9}{'demand':>9}{'floor':>9}")
    for bar in demands:
        demand = f">= {bar.least:g}" if bar.least is not None else f"<= {bar.most:g}"
        ours, floor = ("-" if v is None else f"{v:.2f}" for v in (bar.figure, bar.floor))
        print(f"{bar.demand:50}{ours:>9}{demand:>9}{floor:>9}  {bar.verdict}  {bar.note}".rstrip())


def _record(bar: Bar) -> dict[str, Any]:
    return {**vars(bar), "verdict": bar.verdict}


if __name__ == "__main__":
    sys.exit(main())
