"""Who collects rollouts: for each contender the command that users give, and how its result is read."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from rollouts_meter import end_tree

PEERS = Path(__file__).parent / "rollouts_peers"
START_LIMIT_S = 180.0
START_TRIES = 3


@dataclass(frozen=True)
class Job:
    """What a contender is asked to do."""

    base_url: str
    rows: Path
    concurrency: int
    repeats: int
    folder: Path
    """An empty folder for what it writes."""


@dataclass(frozen=True)
class Outcome:
    """What a contender says it did."""

    rollouts: int
    right: float


@dataclass
class Contender:
    """One way to collect rollouts."""

    name: ClassVar[str]
    needs: ClassVar[str]
    """Python code that works where it is installed."""
    python: str
    """Of the environment where it is installed."""
    env: dict[str, str] = field(
        default_factory=lambda: {"GYM_LLM_API_KEY": "none", "BENCH_API_KEY": "none"}
    )
    """Environment variables of the command."""

    @property
    def cwd(self) -> Path:
        """Working directory of the command."""
        return PEERS

    def missing(self) -> str | None:
        """Return why it cannot run here; None if it can."""
        try:
            found = subprocess.run(
                [self.python, "-c", self.needs], capture_output=True, env={**os.environ, **self.env}
            )
        except OSError as error:
            return str(error)
        return None if found.returncode == 0 else found.stderr.decode().strip().splitlines()[-1]

    def start(self, base_url: str, folder: Path) -> subprocess.Popen[bytes] | None:
        """Start what must run before the command, where anything must."""
        return None

    def command(self, job: Job) -> list[str]:
        """Return the command."""
        raise NotImplementedError

    def outcome(self, job: Job, stdout: str) -> Outcome:
        """Read the result of a command that ended well."""
        return Outcome(**json.loads(stdout.strip().splitlines()[-1]))


class GymLLM(Contender):
    """Ours, by its command."""

    name = "gym_llm"
    needs = "import gym_llm"

    def command(self, job: Job) -> list[str]:
        words = ["eval", "gym_llm/MCQA-v0", "--model", "m", "--base-url", job.base_url, "--json"]
        words += ["--tasks", str(job.rows), "--repeats", str(job.repeats)]
        words += ["--concurrency", str(job.concurrency), "--output", str(job.folder / "run")]
        return [self.python, "-m", "gym_llm", *words]

    def outcome(self, job: Job, stdout: str) -> Outcome:
        return _rewards(job.folder / "run" / "rollouts.jsonl")


class Raw(Contender):
    """The floor: a loop over aiohttp that grades."""

    name = "raw"
    needs = "import aiohttp, gym_llm"

    def command(self, job: Job) -> list[str]:
        arguments = [job.base_url, str(job.rows), str(job.concurrency), str(job.repeats)]
        return [self.python, str(PEERS / "floor.py"), self.name, *arguments]


class OpenAI(Raw):
    """The same loop over the openai client on its aiohttp transport."""

    name = "openai"
    needs = "import gym_llm, openai; openai.DefaultAioHttpClient"


class Verifiers(Contender):
    """Prime Intellect's verifiers, 0.1."""

    name = "verifiers"
    needs = "import verifiers; verifiers.SingleTurnEnv"

    def command(self, job: Job) -> list[str]:
        arguments = [job.base_url, str(job.rows), str(job.concurrency), str(job.repeats)]
        return [self.python, str(PEERS / "verifiers_env.py"), *arguments, str(job.folder / "results")]


class Inspect(Contender):
    """The UK AISI's inspect-ai."""

    name = "inspect"
    needs = "import inspect_ai, openai"

    def command(self, job: Job) -> list[str]:
        # The task file must be named relative to the working directory.
        words = ["eval", "inspect_task.py", "-T", f"rows={job.rows}"]
        words += ["--model", "openai-api/bench/m", "--model-base-url", job.base_url]
        words += ["--max-connections", str(job.concurrency), "--max-samples", str(job.concurrency)]
        words += ["--epochs", str(job.repeats), "--max-retries", "0", "--log-dir", str(job.folder)]
        return [self.python, "-m", "inspect_ai", *words, "--display", "none", "--no-log-realtime"]

    def outcome(self, job: Job, stdout: str) -> Outcome:
        (log,) = job.folder.glob("*.eval")
        read = (
            "import json, sys; from inspect_ai.log import read_eval_log;"
            "found = read_eval_log(sys.argv[1], header_only=True).results;"
            "mean = found.scores[0].metrics['accuracy'].value; count = found.completed_samples;"
            "print(json.dumps({'rollouts': count, 'right': mean * count}))"
        )
        stdout = subprocess.check_output([self.python, "-c", read, str(log)], text=True)
        return super().outcome(job, stdout)


@dataclass
class NemoGym(Contender):
    """NVIDIA's NeMo Gym, from a checkout; its servers run before and during the command."""

    name = "nemo_gym"
    needs = "import nemo_gym.cli.main"
    checkout: Path = Path()
    """Has ``resources_servers/mcqa``, ``responses_api_models/openai_model`` and
    ``responses_api_agents/simple_agent``, each with an environment in ``.venv``."""

    @property
    def cwd(self) -> Path:
        return self.checkout

    def __post_init__(self) -> None:
        bin_folder = str(Path(self.python).parent)
        self.env |= {
            "PYTHONPATH": str(self.checkout),
            "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]]),
        }

    def start(self, base_url: str, folder: Path) -> subprocess.Popen[bytes]:
        """Start its servers and wait until they are ready; again if Ray, on a busy machine, is too slow.

        Raises:
            RuntimeError: they are not, each time.
        """
        for attempt in range(START_TRIES):
            try:
                return self._start(base_url, folder)
            except RuntimeError:
                if attempt == START_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _start(self, base_url: str, folder: Path) -> subprocess.Popen[bytes]:
        words = ["env", "start", "--config", "resources_servers/mcqa/configs/mcqa.yaml"]
        words += ["--config", "responses_api_models/openai_model/configs/openai_model.yaml"]
        words += ["--model", "m", "--model-url", base_url, "--model-api-key", "none"]
        log = folder / "nemo_gym.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [*self._gym(), *words, "+skip_venv_if_present=true"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.checkout,
                env={**os.environ, **self.env},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while "servers ready!" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                end_tree(process)
                raise RuntimeError(f"its servers did not start: {log.read_text()[-500:]}")
            time.sleep(0.5)
        return process

    def command(self, job: Job) -> list[str]:
        words = ["eval", "run", "--no-serve", "--agent", "mcqa_simple_agent", "--input", str(job.rows)]
        words += ["--output", str(job.folder / "rollouts.jsonl"), "--num-repeats", str(job.repeats)]
        return [*self._gym(), *words, "--concurrency", str(job.concurrency)]

    def outcome(self, job: Job, stdout: str) -> Outcome:
        return _rewards(job.folder / "rollouts.jsonl")

    def _gym(self) -> list[str]:
        return [self.python, "-c", "from nemo_gym.cli.main import main; main()"]


def _rewards(path: Path) -> Outcome:
    with path.open() as file:
        rewards = [json.loads(line)["reward"] for line in file]
    return Outcome(len(rewards), sum(rewards))


def contenders(pythons: Mapping[str, str], checkout: Path | None) -> list[Contender]:
    """Return all contenders, each with the Python that was given for it; NeMo Gym needs a checkout."""

    def python(kind: type[Contender]) -> str:
        return pythons.get(kind.name, sys.executable)

    kinds: list[type[Contender]] = [GymLLM, Raw, OpenAI, Verifiers, Inspect]
    found = [kind(python(kind)) for kind in kinds]
    if checkout is not None:
        found.append(NemoGym(python(NemoGym), checkout=checkout.resolve()))
    return found
