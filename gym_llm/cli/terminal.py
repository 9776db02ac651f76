"""Reading an action from a person: one line, several lines, a tool call, a key."""

import sys
from collections.abc import Mapping

from gym_llm.messages import ToolCall, encode_action, parse_json

HELP = """\
Type your answer and press Enter. Lines between two lines of \"\"\" make one answer.
/call TOOL {"argument": value}   call a tool; several lines between \"\"\" are calls of one turn
/undo  take back a turn     /state  show the state     /tools  show the tools     /quit"""


def read_line(prompt: str = "> ") -> str | None:
    """Return one line, or None at the end of the input."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def read_text(prompt: str = "> ") -> str | None:
    '''Return one line, or the lines between two lines of ``"""``; None at the end of the input.'''
    line = read_line(prompt)
    if line is None or line.strip() != '"""':
        return line
    lines = []
    while (line := read_line(". ")) is not None and line.strip() != '"""':
        lines.append(line)
    return "\n".join(lines)


def to_action(text: str, keys: Mapping[str, str] | None = None) -> str:
    """Turn what was typed into an action: ``/call`` lines become tool calls, a lone key its move."""
    if keys and text.strip() in keys:
        return keys[text.strip()]
    content, calls = [], []
    for line in text.split("\n"):
        call = _call(line)
        if call is None:
            content.append(line)
        else:
            calls.append(call)
    return encode_action("\n".join(content).strip(), calls) if calls else text


def _call(line: str) -> ToolCall | None:
    if not line.startswith("/call "):
        return None
    name, _, arguments = line.removeprefix("/call ").strip().partition(" ")
    # Malformed arguments go to the environment as they are: its error message is the answer.
    return ToolCall(name, arguments if parse_json(arguments) is not None or arguments.strip() else "{}")


def read_action(observation: str) -> str:
    """Show an observation and return the typed action; empty at the end of the input."""
    sys.stdout.write(observation + "\n")
    return to_action(read_text() or "")
