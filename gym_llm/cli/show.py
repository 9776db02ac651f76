"""``gym-llm show ID``: everything about one environment, and its first task."""

import argparse
import inspect
import json
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from gym_llm.cli.listing import as_json, reward_text
from gym_llm.messages import message_text
from gym_llm.registration import find


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("show", help="describe one environment")
    parser.add_argument("id", help="environment id; gym_llm/ and -v0 may be left out")
    parser.add_argument("--json", action="store_true", help="print the table's entry as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the description."""
    info = find(args.id)
    console = Console()
    if args.json:
        console.print_json(json.dumps(as_json(info)))
        return 0
    env_class = info.load()
    console.print(f"[bold]{info.id}[/bold]  {info.summary}")
    facts = {
        "domain": info.domain,
        "kind": info.kind,
        "NeMo Gym row": info.row,
        "data": ", ".join(info.data) or "generated or bundled",
        "licence": info.licence,
        "needs": ", ".join(info.needs) or "nothing",
        "return": reward_text(info),
        "task sets": ", ".join(
            ["example", *env_class.splits, *(["generated"] if env_class.generate else [])]
        ),
    }
    for name, value in facts.items():
        console.print(f"{name + ':':14}{value}", highlight=False, markup=False)
    console.print(Markdown(inspect.getdoc(env_class) or ""))
    task = env_class.source().load("example")[0]
    console.rule(f"prompt of {task.id}")
    for message in task.row.messages:
        console.print(f"[{message['role']}] {message_text(message)}", markup=False, highlight=False)
    return 0
