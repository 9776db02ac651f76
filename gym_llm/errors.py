"""Errors that gym_llm raises; each also subclasses the builtin error it specialises.

GymLLMError
|-- ConfigError(ValueError)             an argument that cannot work
|   `-- UnknownNameError(LookupError)   a name that does not exist, with the nearest ones
|-- MissingExtraError(ImportError)      a package of an extra that is not installed
|-- DataError(ValueError)               a data set that cannot be read
|   `-- RowError                        one row, with file, line, field and reason
|-- ModelError(RuntimeError)            a model endpoint that did not give an answer
|   `-- EndpointDownError               nothing listens there, or it refuses the key or the model
`-- VerifierError(RuntimeError)         grading could not be carried out; never a wrong answer
    |-- JudgeError                      the judge model did not give an answer
    `-- WorkerError                     a helper process died, hung or could not be started
"""

import difflib
from collections.abc import Iterable
from typing import Literal


class GymLLMError(Exception):
    """Base of all errors that gym_llm raises on purpose."""


class ConfigError(GymLLMError, ValueError):
    """An argument cannot work; the message names it, what was expected and what came."""


class UnknownNameError(ConfigError, LookupError):
    """A name is not known; the message lists the nearest known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}")


class MissingExtraError(GymLLMError, ImportError):
    """A package of an optional extra is missing; the message is the line that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'{package} is not installed: pip install "gym-llm[{extra}]"')


class DataError(GymLLMError, ValueError):
    """A data set cannot be read; the message names it and the cause."""


class RowError(DataError):
    """One row of a task file is invalid; the message has place, field and reason."""

    def __init__(self, source: str, line: int | None, reason: str) -> None:
        place = source if line is None else f"{source}, line {line}"
        super().__init__(f"{place}: {reason}")
        self.source, self.line, self.reason = source, line, reason

    def __reduce__(self) -> tuple[type["RowError"], tuple[str, int | None, str]]:
        return RowError, (self.source, self.line, self.reason)


class ModelError(GymLLMError, RuntimeError):
    """A model endpoint did not give an answer.

    Args:
        message: names the endpoint and says what happened.
        kind: ``model_timeout`` when no answer came in time, ``model_http`` for all else.
        cause: a few words that are the same for the same cause: ``HTTP 400``, ``connection lost``,
            ``no answer in time``, ``malformed reply``, ``nothing listens``.
        attempts: requests that were sent.
    """

    def __init__(
        self,
        message: str = "",
        *,
        kind: Literal["model_http", "model_timeout"] = "model_http",
        cause: str = "no answer",
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.kind, self.cause, self.attempts = kind, cause, attempts


class EndpointDownError(ModelError):
    """No call to this endpoint can succeed: nothing listens, or key or model is refused."""


class VerifierError(GymLLMError, RuntimeError):
    """Grading could not be carried out; the rollout is masked, never scored as a wrong answer."""


class JudgeError(VerifierError):
    """The judge model did not give an answer."""


class WorkerError(VerifierError):
    """A helper process died, hung or could not be started."""


class EnvFailedError(GymLLMError, RuntimeError):
    """An environment of a vector raised, hung past its deadline, or lost its process."""

    def __init__(self, env_id: int, kind: str, message: str, traceback: str = "") -> None:
        text = f"environment {env_id}: {kind}: {message}"
        super().__init__(f"{text}\n\nTraceback of the worker:\n{traceback}" if traceback else text)
        self.env_id, self.kind, self.message, self.traceback = env_id, kind, message, traceback

    def __reduce__(self) -> tuple[type["EnvFailedError"], tuple[int, str, str, str]]:
        return EnvFailedError, (self.env_id, self.kind, self.message, self.traceback)
