"""The rows as a single-turn environment of verifiers 0.1, evaluated in process as ``vf-eval`` does.

    python verifiers_env.py BASE_URL ROWS CONCURRENCY REPEATS FOLDER

Later releases of verifiers start a process for each rollout, and are not measured here. Runs with that
package alone; prints the counts as JSON.
"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import verifiers as vf
from datasets import Dataset

BOXED = re.compile(r"\\boxed\{([A-Z])\}")


def correct(completion: list[Any], answer: str) -> float:
    """1.0 for the right letter in the last box."""
    last = completion[-1]
    text = last["content"] if isinstance(last, dict) else last.content
    found = BOXED.findall(text if isinstance(text, str) else str(text))
    return float(bool(found) and found[-1] == answer)


def main() -> None:
    """Evaluate and print."""
    base_url, rows, concurrency, repeats, folder = sys.argv[1:]
    os.environ["BENCHMARK_KEY"] = "none"
    examples = []
    for line in Path(rows).read_text().splitlines():
        row = json.loads(line)
        prompt = row["responses_create_params"]["input"]
        examples.append({"prompt": prompt, "answer": row["expected_answer"]})
    env = vf.SingleTurnEnv(dataset=Dataset.from_list(examples), rubric=vf.Rubric(funcs=[correct]))
    client = vf.ClientConfig(
        api_base_url=base_url,
        api_key_var="BENCHMARK_KEY",
        max_connections=int(concurrency),
        max_keepalive_connections=int(concurrency),
        max_retries=0,
    )
    results = asyncio.run(
        env.evaluate(
            client,
            "m",
            rollouts_per_example=int(repeats),
            max_concurrent=int(concurrency),
            results_path=Path(folder),
            save_results=True,
        )
    )
    outputs = results["outputs"]
    print(json.dumps({"rollouts": len(outputs), "right": sum(o["reward"] for o in outputs)}))


if __name__ == "__main__":
    main()
