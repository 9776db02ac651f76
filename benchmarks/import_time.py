"""Time of `import gym_llm` as a ratio to `import gymnasium`, in fresh interpreters, alternating.

Prints a table, or JSON with ``--json``. Target: under 1.3.
"""

import argparse
import json
import statistics
import subprocess
import sys

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module: str) -> float:
    """Return the import time in a fresh interpreter."""
    command = [sys.executable, "-c", CODE.format(module)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    seconds("gymnasium"), seconds("gym_llm")  # the file cache is warm for both
    pairs = [(seconds("gymnasium"), seconds("gym_llm")) for _ in range(args.runs)]
    peer, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    record = {"gymnasium_s": peer, "gym_llm_s": ours, "ratio": ratio, "target": 1.3, "runs": args.runs}
    if args.json:
        print(json.dumps(record))
    else:
        print(f"import gymnasium  {peer * 1000:7.1f} ms")
        print(f"import gym_llm    {ours * 1000:7.1f} ms")
        print(f"ratio             {ratio:7.2f}")


if __name__ == "__main__":
    main()
