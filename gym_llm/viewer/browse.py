"""A run in the terminal: the list of its rollouts, and the transcript of the chosen one."""

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Input, Static

from gym_llm.rollouts.run_folder import RunFolder
from gym_llm.viewer.entries import Entry, EnvCounts, count, entries, mixed_tasks
from gym_llm.viewer.query import parse
from gym_llm.viewer.rollout_list import STATE_STYLES, RolloutList, header
from gym_llm.viewer.transcript import Kind, differences, transcript
from gym_llm.viewer.visible import visible

MAX_SHOWN_CHARS = 200_000
"""Of one transcript; the terminal lays out all of it before it shows the first line."""
MAX_ENVS = 6
"""Whose counts stand above the list."""
STYLES: dict[Kind, str] = {
    "heading": "bold cyan",
    "facts": "dim",
    "failure": "bold red",
    "text": "",
    "reasoning": "italic dim",
    "call": "green",
}


class RunBrowser(App[None]):
    """The browser.

    Everything that comes from a run is shown as `rich.text.Text` of `visible` characters, so neither
    markup nor escape codes in it mean anything.

    Raises:
        RowError: a line of the run cannot be read.
    """

    CSS = """
    #choose { width: 45%; min-width: 66; border-right: solid $surface-lighten-2; }
    #facts, #count { height: auto; padding: 0 1; color: $text-muted; }
    #pane { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "next"),
        Binding("k", "move(-1)", "previous"),
        Binding("slash", "focus_filter", "filter"),
        Binding("c", "compare", "compare"),
        Binding("space", "page", "scroll"),
        Binding("q", "quit", "quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._manifest, self._name = run.manifest, run.path.resolve().name
        self.entries = entries(run)
        self.chosen: Entry | None = None
        self.other: Entry | None = None
        self._mixed = mixed_tasks(self.entries)

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="choose"):
                yield Static(self._facts(), id="facts")
                yield Input(placeholder="words, failed, reward<0.5, mixed", id="filter")
                yield Static(id="count")
                yield Static(id="columns")
                yield RolloutList(id="list")
            with VerticalScroll(id="pane"):
                yield Static(id="transcript")
        yield Footer()

    def _facts(self) -> Text:
        manifest = self._manifest
        who = f"model {manifest.model.name}" if manifest.model else f"agent {manifest.agent}"
        lines = [f"{self._name} · {who} · seed {manifest.seed}"]
        counts = count(manifest, self.entries)
        lines += [_env_facts(env) for env in counts[:MAX_ENVS]]
        if len(counts) > MAX_ENVS:
            lines.append(f"and {len(counts) - MAX_ENVS} more environments")
        return Text(visible("\n".join(lines)), no_wrap=True, overflow="ellipsis")

    def on_mount(self) -> None:
        """Fill the list."""
        self._filter("")
        self.rollouts.focus()

    @property
    def rollouts(self) -> RolloutList:
        """The list of the rollouts that pass the filter."""
        return self.query_one("#list", RolloutList)

    def on_resize(self) -> None:
        """Put the names of the columns above them."""
        self.call_after_refresh(self._name_columns)

    def _name_columns(self) -> None:
        self.query_one("#columns", Static).update(Text(header(self.rollouts.size.width), "bold"))

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.rollouts.focus()

    def on_key(self, event: events.Key) -> None:
        """Leave the filter."""
        if event.key == "escape":
            self.rollouts.focus()

    def _filter(self, query: str) -> None:
        matches = parse(query, self._mixed)
        hits = [entry for entry in self.entries if matches(entry)]
        self.rollouts.show(hits)
        text = f"{len(hits):,} of {len(self.entries):,} rollouts"
        self.query_one("#count", Static).update(Text(text))

    @on(RolloutList.Chosen)
    def _choose(self, event: RolloutList.Chosen) -> None:
        self.chosen, self.other = event.entry, None
        self._show()

    def _show(self) -> None:
        self.query_one("#transcript", Static).update(self._pane_text())
        self.query_one("#pane").scroll_home(animate=False)

    def _pane_text(self) -> Text:
        if self.chosen is None:
            return Text("no rollout")
        if self.other is not None:
            lines = differences(self.chosen.load(), self.other.load())
            return _bounded(_diff_text(lines) if lines else Text("the transcripts are equal"))
        text = _title(self.chosen)
        for part in transcript(self.chosen.load()):
            text.append(f"{part.text}\n", STYLES[part.kind])
            if len(text) > MAX_SHOWN_CHARS:
                break
        return _bounded(text)

    def action_move(self, distance: int) -> None:
        """Move the cursor of the list."""
        self.rollouts.action_move(distance)

    def action_focus_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter", Input).focus()

    def action_page(self) -> None:
        """Scroll the transcript by a page."""
        self.query_one("#pane").scroll_page_down()

    def action_compare(self) -> None:
        """Show the differences to the next repeat of the task; after the last one, the rollout alone."""
        if self.chosen is None:
            return
        others = [e for e in self.entries if e.task == self.chosen.task and e is not self.chosen]
        position = others.index(self.other) + 1 if self.other else 0
        self.other = others[position] if position < len(others) else None
        self._show()


def _env_facts(env: EnvCounts) -> str:
    mean = "-" if env.mean is None else f"{env.mean:.4g}"
    counts = {
        "completed": env.completed,
        "truncated": env.truncated,
        "failed": env.failed,
        "never ran": env.never_ran,
    }
    found = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    return f"{env.env_id}: mean {mean}; {found or 'none ran'}"


def _title(entry: Entry) -> Text:
    text = Text().append(f"{visible(entry.task_id)}\n", "bold")
    outcome = entry.failure or entry.state
    reward = f" · reward {entry.reward:.4g}" if entry.counts else ""
    where = f"{visible(entry.env_id)} · task {entry.task_index} · repeat {entry.repeat}"
    return text.append(f"{outcome} · {where}{reward}\n", STATE_STYLES[entry.state])


def _diff_text(lines: list[str]) -> Text:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    text = Text()
    for line in lines:
        text.append(f"{line}\n", styles.get(line[:1], ""))
    return text


def _bounded(text: Text) -> Text:
    left_out = len(text) - MAX_SHOWN_CHARS
    if left_out > 0:
        text.truncate(MAX_SHOWN_CHARS)
        text.append("\n... the page of `gym-llm view` shows the rest", "bold")
    return text
