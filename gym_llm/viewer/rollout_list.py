"""The list of rollouts in the terminal: only the lines that can be seen are made."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gym_llm.viewer.entries import Entry
from gym_llm.viewer.visible import visible

HEAD = ("rep", "reward", "state", "turns", "tokens", "time")
WIDTHS = (4, 8, 14, 6, 8, 9)
STATE_STYLES = {"completed": "green", "truncated": "yellow", "failed": "red"}


class RolloutList(ScrollView, can_focus=True):
    """A line for each rollout, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("home", "move(-1_000_000_000)", show=False),
        Binding("end", "move(1_000_000_000)", show=False),
    ]
    cursor = reactive(0)

    class Chosen(Message):
        """The cursor is at another rollout, or at none."""

        def __init__(self, entry: Entry | None) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.hits: Sequence[Entry] = ()

    def show(self, hits: Sequence[Entry]) -> None:
        """List these rollouts, and choose the first of them."""
        self.hits = hits
        self.virtual_size = Size(0, len(hits))
        self.set_reactive(RolloutList.cursor, 0)
        self._follow()

    def watch_cursor(self) -> None:
        """Show the line of the cursor."""
        self._follow()

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a line."""
        return max(0, min(len(self.hits) - 1, cursor))

    def _follow(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False)
        self.refresh()
        self.post_message(self.Chosen(self.hits[self.cursor] if self.hits else None))

    def action_move(self, distance: int) -> None:
        """Move the cursor."""
        self.cursor += distance

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the line."""
        line = event.y + self.scroll_offset.y
        if line < len(self.hits):
            self.cursor = line

    def render_line(self, y: int) -> Strip:
        """Return a line of the list."""
        line = y + self.scroll_offset.y
        if line >= len(self.hits):
            return Strip.blank(self.size.width, self.rich_style)
        cells = row(self.hits[line], self.size.width)
        style = self.rich_style + Style(reverse=line == self.cursor, bold=line == self.cursor)
        return Strip([Segment(text, style + Style.parse(own)) for text, own in cells])


def header(width: int) -> str:
    """Return the names above the columns."""
    sized = zip(HEAD, WIDTHS, strict=True)
    names = [f"{name:<{size}}" if name == "state" else f"{name:>{size}}" for name, size in sized]
    return " ".join([set_cell_size("task", _room(width)), *names])


def row(entry: Entry, width: int) -> list[tuple[str, str]]:
    """Return the parts of a line, each with its style; together ``width`` cells or more."""
    task = _fitted(" ".join(visible(entry.task_id).split()), _room(width))
    reward = f"{entry.reward:.4g}" if entry.counts else "-"
    outcome, time = entry.failure or entry.state, f"{entry.duration_s:.1f} s"
    values = (str(entry.repeat), reward, outcome, str(entry.turns), str(entry.tokens), time)
    rep, reward, _, *rest = [f"{value:>{size}}" for value, size in zip(values, WIDTHS, strict=True)]
    return [
        (f"{task} {rep} {reward} ", ""),
        (f"{outcome:<{WIDTHS[2]}}", STATE_STYLES[entry.state]),
        (f" {' '.join(rest)}", ""),
    ]


def _fitted(name: str, cells: int) -> str:
    """Bring a name to a width; a long one loses its middle, as ids of a set differ at their ends."""
    if cell_len(name) > cells:
        head = cells // 3
        name = f"{name[:head]}…{name[head + 1 - cells :]}"
    return set_cell_size(name, cells)


def _room(width: int) -> int:
    """Return the cells that are left for the task."""
    return max(8, width - sum(WIDTHS) - len(WIDTHS))
