"""Entry point of ``gym-llm``: parses the command line and turns errors into messages and exit codes."""

import argparse
import os
import sys
from collections.abc import Sequence

from gym_llm.errors import GymLLMError, ModelError
from gym_llm.version import __version__

OK, FAILED, USAGE = 0, 1, 2
"""Exit codes: all well; something in the run failed; the command could not work as given."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    from gym_llm.cli import evaluate, listing, play, show

    parser = argparse.ArgumentParser(prog="gym-llm", description="Environments for language models.")
    parser.add_argument("--version", action="version", version=f"gym-llm {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in (evaluate, listing, show, play):
        module.add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except ModelError as error:
        return _fail(error, FAILED)
    except GymLLMError as error:
        return _fail(error, USAGE)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing more may be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _fail(error: object, code: int) -> int:
    sys.stderr.write(f"gym-llm: error: {error}\n")
    return code
