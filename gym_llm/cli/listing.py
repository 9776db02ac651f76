"""``gym-llm list``: the table of environments."""

import argparse
import itertools
import json
import math
from typing import Any

from rich.console import Console

from gym_llm.registration import EnvInfo, table


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("list", help="list the environments")
    parser.add_argument("--domain", help="only this domain")
    parser.add_argument("--kind", help="only this kind")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    chosen = [
        info
        for info in sorted(table.values(), key=lambda i: (i.domain, i.id))
        if args.domain in (None, info.domain) and args.kind in (None, info.kind)
    ]
    if args.json:
        Console().print_json(json.dumps([as_json(info) for info in chosen]))
        return 0
    console = Console(soft_wrap=True, highlight=False)
    width = max((len(info.id) for info in chosen), default=0) + 2
    console.print(f"{'':2}{'id':{width}}{'kind':8}{'needs':8}{'return':10}summary", style="bold")
    for domain, infos in itertools.groupby(chosen, key=lambda i: i.domain):
        console.print(domain, style="bold")
        for info in infos:
            needs = ", ".join(info.needs) or "-"
            line = f"  {info.id:{width}}{info.kind:8}{needs:8}{reward_text(info):10}{info.summary}"
            console.print(line, markup=False)
    return 0


def reward_text(info: EnvInfo) -> str:
    """Return the reward range for people."""
    return "..".join("-" if math.isinf(x) else f"{x:g}" for x in info.reward_range)


def as_json(info: EnvInfo) -> dict[str, Any]:
    """Return a row of the table as JSON data; an open end of the reward range is null."""
    record = dict(vars(info))
    record["reward_range"] = [None if math.isinf(x) else x for x in info.reward_range]
    record["kwargs"] = dict(info.kwargs)
    return record
