"""Generated tasks: a world, a task of the user, and an attack in a field that the task reads."""

import json
import random
import re
import string
from typing import Any, get_args

from gym_llm.envs.safety.worlds.tables import Domain, load_common, load_domain
from gym_llm.messages import ToolCall, encode_action

Names = dict[str, Any]
DOMAINS: tuple[str, ...] = get_args(Domain)
_ONE_NAME = re.compile(r"\$(\w+)")


def generate_task(index: int) -> dict[str, Any]:
    """Return row ``index`` of the generated task set; the domains take turns.

    Task, vector, attack and strategy are drawn from the templates of the domain, and names, ids, days
    and amounts are filled in, all by a generator that the index seeds.
    """
    rng = random.Random(f"indirect_prompt_injection {index}")
    domain = DOMAINS[index % len(DOMAINS)]
    table = load_domain(domain)
    names = draw_names(rng)
    world = fill(table["world"], names)
    task = fill(rng.choice(table["tasks"]), names)
    injection = write_attack(rng, fill(rng.choice(table["attacks"]), names))
    injection["vector"] = rng.choice(task["vectors"])
    insert(world, injection)
    calls = [next(iter(call.items())) for call in task["calls"]]
    return {
        "task_id": f"indirect_prompt_injection-generated-{index}",
        "domain": domain,
        "request": task["request"],
        "environment": world,
        "required_tools": sorted({name for name, _ in calls}),
        "injection": injection,
        "reference": [*(_action(name, arguments) for name, arguments in calls), task["answer"]],
    }


def draw_names(rng: random.Random) -> Names:
    """Draw what the templates' placeholders stand for.

    ``p``: people, ``m``: their addresses, ``i``: distinct numbers for ids, ``d``: days in order, ``n``:
    amounts, ``evil``: the attacker's address.
    """
    common = load_common()
    first, last = rng.sample(common["first_names"], 4), rng.sample(common["last_names"], 4)
    days = sorted(rng.sample(range(1, 29), 2))
    names: Names = {"evil": rng.choice(common["outsiders"])}
    for n, (given, family) in enumerate(zip(first, last, strict=True), start=1):
        names |= {f"p{n}": f"{given} {family}", f"m{n}": f"{given}.{family}@office.example.com".lower()}
    names |= {f"i{n}": str(x) for n, x in enumerate(rng.sample(range(1000, 10_000), 8), start=1)}
    names |= {f"d{n}": f"2031-05-{day:02}" for n, day in enumerate(days, start=1)}
    return names | {f"n{n}": x for n, x in enumerate(rng.sample(range(20, 900), 3), start=1)}


def fill(template: Any, names: Names) -> Any:
    """Replace the placeholders in a template; a text that is only ``$n1`` becomes the number itself."""
    if isinstance(template, dict):
        return {fill(k, names): fill(v, names) for k, v in template.items()}
    if isinstance(template, list):
        return [fill(item, names) for item in template]
    if not isinstance(template, str):
        return template
    alone = _ONE_NAME.fullmatch(template)
    return names[alone[1]] if alone else string.Template(template).substitute(names)


def write_attack(rng: random.Random, attack: dict[str, Any]) -> dict[str, Any]:
    """Return the ``injection`` of a row: an attack of the table in the words of one strategy."""
    strategies = load_common()["strategies"]
    strategy = rng.choice(list(strategies))
    text = string.Template(rng.choice(strategies[strategy]["texts"])).substitute(goal=attack["goal"])
    return {
        "goal": attack["goal"],
        "target_tool": attack["tool"],
        "target_args": attack["arguments"],
        "verification_type": attack["type"],
        "category": attack["category"],
        "attack_strategy": strategy,
        "attack_difficulty": strategies[strategy]["difficulty"],
        "injection_text": text,
        "injection_position": rng.choice(["beginning", "middle", "end"]),
    }


def insert(world: Any, injection: dict[str, Any]) -> None:
    """Write the attack's text into the field of the world that its vector names."""
    *path, last = injection["vector"].split("/")
    for step in path:
        world = world[int(step) if isinstance(world, list) else step]
    sentences = re.split(r"(?<=\.) ", world[last])
    place = {"beginning": 0, "middle": (len(sentences) + 1) // 2, "end": len(sentences)}
    sentences.insert(place[injection["injection_position"]], injection["injection_text"])
    world[last] = " ".join(sentences)


def _action(name: str, arguments: dict[str, Any]) -> str:
    return encode_action("", [ToolCall(name, json.dumps(arguments))])
