"""``gym-llm play`` in a real process: typed text, tool calls, undo, the verdict at the end."""

import subprocess
import sys


def play(env_id: str, *lines: str, options: tuple[str, ...] = ()) -> str:
    command = [sys.executable, "-m", "gym_llm", "play", env_id, *options]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_question_shows_the_verification() -> None:
    out = play("MCQA", r"\boxed{B}", options=("--task", "0"))
    assert "Which gas do plants take in" in out
    assert "return 1" in out
    assert "extracted_answer: B" in out


def test_lines_between_quotes_are_one_answer() -> None:
    out = play("MCQA", '"""', "First I think.", r"\boxed{A}", '"""', options=("--task", "0"))
    assert "extracted_answer: A" in out


def test_tools_are_shown_called_and_taken_back() -> None:
    out = play(
        "ExampleSessionState",
        "/tools",
        '/call increment_counter {"count": 1000}',
        "/state",
        "/undo",
        "/undo",
        '/call increment_counter {"count": "many"}',
        "/nonsense",
        "/quit",
        options=("--task", "0"),
    )
    assert "increment_counter(count)" in out
    assert '"success": true' in out
    assert "back at turn 0" in out
    assert "nothing to undo" in out
    assert "invalid arguments" in out
    assert "unknown command /nonsense" in out


def test_long_state_is_shown_as_its_changes() -> None:
    call = '/call email_send_email {"recipient": "a@b.example", "subject": "Hi", "body": "there"}'
    out = play("WorkplaceAssistant", call, "/state", "/quit", options=("--task", "0"))
    assert "changes since the start" in out
    assert "a@b.example" in out.split("changes since the start")[1]


def test_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m gym_llm list | head -2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr


def test_keys_move_in_a_game() -> None:
    out = play("Sokoban", "d", "/undo", "d", "a", "/quit", options=("--task", "0"))
    assert "keys: w = " in out
    assert "back at turn 0" in out
    assert out.count("reward") >= 2


def test_end_of_input_ends_the_game() -> None:
    assert "Blackjack" in play("Blackjack") or "hand" in play("Blackjack")
