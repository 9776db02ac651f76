"""Entry point of ``gym-llm``: parses the command line and turns errors into messages and exit codes."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from gym_llm.errors import GymLLMError, ModelError
from gym_llm.version import __version__

OK, FAILED, USAGE = 0, 1, 2
"""Exit codes: all well; something in the run failed; the command could not work as given."""


VERBS = {
    "eval": "evaluate",
    "list": "listing",
    "show": "show",
    "play": "play",
    "profile": "profile",
    "rescore": "rescore",
    "compare": "compare",
    "merge": "merge",
    "export": "export",
    "view": "view",
    "data": "data",
}
"""Verbs and their modules, which import much: only that of the verb in use is loaded."""


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of one verb, or of all."""
    parser = argparse.ArgumentParser(prog="gym-llm", description="Environments for language models.")
    parser.add_argument("--version", action="version", version=f"gym-llm {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in [verb] if verb in VERBS else VERBS:
        importlib.import_module(f"gym_llm.cli.{VERBS[name]}").add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    args = build_parser(words[0] if words else None).parse_args(words)
    args.words = words
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
