"""``gym-llm view RUN``: look at the rollouts of a run, in the browser or in the terminal."""

import argparse
import json
import sys
import webbrowser
from pathlib import Path
from typing import Any

from gym_llm.errors import ConfigError, MissingExtraError
from gym_llm.rollouts.run_folder import RunFolder

PAGE = "view.html"


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("view", help="look at the rollouts of a run")
    parser.add_argument("folder", metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"where the page goes (default: RUN/{PAGE})"
    )
    parser.add_argument("--limit", type=int, help="rollouts that the page holds (default: 20000)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--terminal", action="store_true", help="browse in the terminal instead (extra `view`)"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and print where it is, or open the terminal's browser."""
    folder = RunFolder(args.folder)
    if args.terminal:
        return _browse(folder)
    from gym_llm.viewer.page import MAX_ROLLOUTS, write_page

    limit = MAX_ROLLOUTS if args.limit is None else args.limit
    facts = write_page(folder, args.output or folder.path / PAGE, limit=limit)
    if args.json:
        report = {**vars(facts), "path": str(facts.path)}
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        sys.stdout.write(f"{facts.path}\n")
    if facts.left_out:
        more = f"{facts.left_out:,} more are left out"
        sys.stderr.write(f"The page holds the first {facts.rollouts:,} rollouts; {more}.\n")
    if args.open and not webbrowser.open(facts.path.resolve().as_uri()):
        raise ConfigError("--open found no browser")
    return 0


def _browse(folder: RunFolder) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("--terminal needs a terminal")
    try:
        from gym_llm.viewer.browse import RunBrowser
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise MissingExtraError("textual", "view") from error
    RunBrowser(folder).run()
    return 0
