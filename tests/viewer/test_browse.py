"""The terminal's browser, driven without a terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.viewer.sample import HOSTILE, MCQA, answered, episodes, hostile, sample_run

pytest.importorskip("textual", reason="the extra `view` is not installed")

from textual.widgets import Input, Static

from gym_llm.viewer.browse import RunBrowser
from tests.support.runs import make_run, rollout


def drive(run: Any, script: Callable[[RunBrowser, Any], Awaitable[None]]) -> None:
    async def main() -> None:
        app = RunBrowser(run)
        async with app.run_test(size=(160, 50)) as pilot:
            await pilot.pause()
            await script(app, pilot)

    asyncio.run(main())


def text(app: RunBrowser, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).content)


def test_list_filter_and_transcript(tmp_path: Path) -> None:
    async def script(app: RunBrowser, pilot: Any) -> None:
        assert len(app.rollouts.hits) == len(episodes()) + len(hostile())
        assert "agent reference" in text(app, "facts")
        await pilot.press("slash", *"failed", "enter")
        assert text(app, "count") == "2 of 24 rollouts"
        assert "model_http: HTTP 400" in text(app, "transcript")
        await pilot.press("j")
        assert "env_crash: SIGKILL" in text(app, "transcript")
        await pilot.press("k", "k")
        assert HOSTILE in text(app, "transcript")

    drive(sample_run(tmp_path / "run"), script)


def test_letters_typed_into_the_filter_are_no_commands(tmp_path: Path) -> None:
    async def script(app: RunBrowser, pilot: Any) -> None:
        await pilot.press("slash", *"jqc")
        assert app.query_one("#filter", Input).value == "jqc"
        assert text(app, "count") == "0 of 2 rollouts"
        assert text(app, "transcript") == "no rollout"
        await pilot.press("escape")
        assert app.focused is app.rollouts

    drive(make_run(tmp_path / "run", [rollout(0), rollout(1)]), script)


def test_comparison_goes_through_the_repeats_and_back(tmp_path: Path) -> None:
    async def script(app: RunBrowser, pilot: Any) -> None:
        await pilot.press("c")
        assert "-\\boxed{A}" in text(app, "transcript")
        assert "+\\boxed{B}" in text(app, "transcript")
        await pilot.press("c")
        assert text(app, "transcript") == "the transcripts are equal"
        await pilot.press("c")
        assert "Question 0?" in text(app, "transcript")

    repeats = [rollout(0, n, answer=answer) for n, answer in enumerate("ABA")]
    drive(make_run(tmp_path / "run", repeats), script)


def test_text_of_models_is_neither_markup_nor_escape_code(tmp_path: Path) -> None:
    async def script(app: RunBrowser, pilot: Any) -> None:
        shown = text(app, "transcript")
        assert "[bold]loud[/bold] [@click=app.quit]x[/]" in shown
        assert "\x1b" not in shown
        assert "⟨U+001B⟩]0;title⟨U+0007⟩" in shown

    answer = "[bold]loud[/bold] [@click=app.quit]x[/] \x1b]0;title\x07"
    drive(make_run(tmp_path / "run", [answered(0, answer)]), script)


def test_long_transcripts_are_cut_and_say_so(tmp_path: Path) -> None:
    async def script(app: RunBrowser, pilot: Any) -> None:
        assert text(app, "transcript").endswith("the page of `gym-llm view` shows the rest")

    messages = [{"role": "assistant", "content": "word " * 4000}] * 20
    drive(make_run(tmp_path / "run", [rollout(0, env_id=MCQA, messages=messages, turns=20)]), script)
