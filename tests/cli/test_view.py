"""``gym-llm view`` in a real process: where the page goes, what is printed, the browsers."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.runs import make_run, rollout
from tests.viewer.sample import CONTROLS, answered

VIEW = [sys.executable, "-m", "gym_llm", "view"]


def view(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [*VIEW, *map(str, args)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [rollout(0), rollout(1, 0, 1.0)]).path


def test_page_goes_beside_the_run(run: Path) -> None:
    done = view(run)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{run}/view.html\n", "")
    assert (run / "view.html").read_text().startswith("<!doctype html>")


def test_json_and_limit(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = view(run, "--output", page, "--limit", 1, "--json")
    facts = {"path": str(page), "rollouts": 1, "left_out": 1, "size": page.stat().st_size}
    assert json.loads(done.stdout) == facts
    assert done.stderr == "The page holds the first 1 rollouts; 1 more are left out.\n"


def test_open_starts_the_browser(run: Path, tmp_path: Path) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    done = view(run, "--open", BROWSER=f"{browser} %s")
    assert done.returncode == 0
    assert seen.read_text() == f"{(run / 'view.html').as_uri()}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        pytest.param(["nowhere"], "nowhere is not the folder of a run", id="no-run"),
        pytest.param(["RUN", "--limit", "0"], "limit must be 1 or more, got 0", id="limit"),
        pytest.param(["RUN", "--output", "/no/where.html"], "cannot be written", id="output"),
        pytest.param(["RUN", "--terminal"], "--terminal needs a terminal", id="no-terminal"),
    ],
)
def test_bad_usage(run: Path, args: list[str], message: str) -> None:
    done = view(*[run if arg == "RUN" else arg for arg in args])
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_terminal_browser_at_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("textual", reason="the extra `view` is not installed")
    run = make_run(tmp_path / "run", [answered(0, CONTROLS)]).path
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "150", "LINES": "40"}
    process = subprocess.Popen(
        [*VIEW, str(run), "--terminal"], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 100
    try:
        while b"Question" not in seen and time.monotonic() < deadline:
            seen += os.read(ours, 65536)
        os.write(ours, b"q")
        while process.poll() is None and time.monotonic() < deadline:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the terminal is gone with its last process
                break
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "⟨U+001B⟩]0;title".encode() in seen
    assert b"\x1b]0;title" not in seen
