"""``gym-llm data check``: every bad row with its place, what is doubtful, the guess, and the sizes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gym_llm.cli import main
from gym_llm.registration import find, table

PEER_ROWS = Path(__file__).parents[3] / "shared" / "peer_rows"
PEER_FILES = {
    "dapo17k": "math_with_judge__example",
    "structured_outputs_v3": "structured_outputs__structured_outputs_v3_example",
}
"""Stems of files that are not named after the row."""
GUESSED = {
    info.id
    for info in table.values()
    if info.row not in ("dapo17k", "example_multi_turn_gymnasium", "example_single_tool_call")
}


def question(number: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "responses_create_params": {"input": [{"role": "user", "content": f"Question {number}?"}]},
        "options": [{"A": "yes"}, {"B": "no"}],
        "expected_answer": "A",
        **values,
    }


def write(path: Path, *rows: Any) -> str:
    """Write rows: objects as JSON, bytes as they are."""
    path.write_bytes(
        b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in rows)
    )
    return str(path)


def check(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["data", "check", *arguments, "--json"]) == code
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def check_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *rows: Any, code: int = 1
) -> list[tuple[int | None, str, str | None, str]]:
    """Check rows of MCQA and return line, kind, field and reason of what is found."""
    report = check(capsys, write(tmp_path / "rows.jsonl", *rows), "--env", "MCQA", code=code)
    return [(p["line"], p["kind"], p["field"], p["reason"]) for p in report["problems"]]


# --- bad rows


@pytest.mark.parametrize(
    ("row", "kind", "field", "reason"),
    [
        pytest.param(
            question(expected_answer=None),
            "row",
            "expected_answer",
            "Input should be a valid string",
            id="type",
        ),
        pytest.param(
            question(expected_answer="C"),
            "row",
            "expected_answer",
            "'C' is none of the options ['A', 'B']",
            id="rule-of-the-model",
        ),
        pytest.param(
            {"options": [{"A": "x"}], "expected_answer": "A", "question": 3},
            "row",
            "question",
            "Input should be a valid string",
            id="nested",
        ),
        pytest.param(
            question(responses_create_params={"input": [{"content": "x"}]}),
            "row",
            None,
            "input item with type None and role None",
            id="prompt",
        ),
        pytest.param([1], "row", None, "expected a JSON object, got list", id="no-object"),
        pytest.param(b'{"a": \n', "json", None, "not JSON: Expecting value at column 6", id="torn"),
        pytest.param(
            b"[\n",
            "json",
            None,
            "not JSON: Expecting value at column 2; the rows must be one object a line, not an array",
            id="array",
        ),
        pytest.param(b'{"a": NaN}\n', "json", None, "NaN is not JSON", id="nan"),
        pytest.param(b'{"a": -Infinity}\n', "json", None, "-Infinity is not JSON", id="infinity"),
        pytest.param(
            b"[" * 200_000 + b"\n",
            "json",
            None,
            "not JSON that can be read: nested too deeply",
            id="deep",
        ),
        pytest.param(b'{"a": "\xff"}\n', "encoding", None, "not UTF-8: byte 0xff at 8", id="utf-8"),
        pytest.param(
            b'{"a": "\\ud83d"}\n',
            "encoding",
            None,
            "text with half of a surrogate pair (\\ud800 to \\udfff)",
            id="surrogate",
        ),
        pytest.param(
            question(responses_create_params={"input": [{"role": "user", "content": " \n"}]}),
            "empty_prompt",
            "responses_create_params",
            "the prompt is empty",
            id="empty-prompt",
        ),
    ],
)
def test_bad_rows_have_line_field_and_reason(
    row: Any,
    kind: str,
    field: str | None,
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = check_rows(tmp_path, capsys, question(1), b"\n", row, question(2))
    assert found == [(3, kind, field, reason)]


def test_a_row_model_that_breaks_is_a_bad_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"input": [{"role": "user", "content": ["not a part"]}]}
    [(line, kind, _, reason)] = check_rows(tmp_path, capsys, question(responses_create_params=parts))
    assert (line, kind) == (1, "row")
    assert "str" in reason


def test_every_field_of_a_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"responses_create_params": {"input": 3}, "options": "A", "task_id": 1, "expected_answer": []}
    found = check_rows(tmp_path, capsys, row)
    assert {name for _, _, name, _ in found} >= {"task_id", "options", "expected_answer"}
    assert len(found) == 5


def test_a_missing_column_of_the_original_data_set_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", {"problem": "2 + 2?"})
    report = check(capsys, path, "--env", "MathDAPO17k", code=1)
    assert [(p["kind"], p["field"]) for p in report["problems"]] == [("row", "answer")]


def test_rows_over_the_limit_are_skipped_and_the_next_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", question(1), question(2, uuid="x" * 3000), question(3))
    report = check(capsys, path, "--env", "MCQA", "--max-row-bytes", "1000", code=1)
    [problem] = report["problems"]
    size = len(json.dumps(question(2, uuid="x" * 3000)))
    assert (problem["line"], problem["kind"]) == (2, "size")
    assert problem["reason"] == f"row of {size:,} bytes, the limit is 1,000"
    assert (report["rows"], report["good"], report["bad"]) == (3, 2, 1)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_limit_is_of_the_row_without_mark_and_line_end(
    extra: int, end: bytes, mark: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = json.dumps(question()).encode()
    path = write(tmp_path / "rows.jsonl", mark + row + end)
    limit = str(len(row) - extra)
    report = check(capsys, path, "--env", "MCQA", "--max-row-bytes", limit, code=extra)
    assert report["errors"] == ({"size": 1} if extra else {})
    assert report["rows"] == 1


def test_a_row_nested_to_the_limit_of_the_parser_breaks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [question(n, uuid=json.loads("[" * n + "]" * n)) for n in (1, 100, 400)]
    deep = [
        json.dumps(question()).encode()[:-1] + b', "uuid": ' + b"[" * n + b"]" * n + b"}\n"
        for n in range(700, 1000, 3)
    ]
    report = check(capsys, write(tmp_path / "rows.jsonl", *rows, *deep), "--env", "MCQA", code=1)
    assert report["rows"] == 103
    assert set(report["errors"]) <= {"json", "row"}
    assert report["good"] >= 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("{}\n{}\n".encode("utf-16"), "the file is UTF-16 or UTF-32", id="utf-16"),
        pytest.param(b"\x1f\x8b\x08\x00\n\n", "the file is compressed", id="gzip"),
        pytest.param(b"PAR1\x15\x04\n", "the file is Parquet", id="parquet"),
        pytest.param(b"", "the file has no rows", id="empty"),
        pytest.param(b"\n \n", "the file has no rows", id="blank"),
    ],
)
def test_files_that_are_no_task_files_say_so_once(
    content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [problem] = check_rows(tmp_path, capsys, content)
    assert problem[3].startswith(reason)


def test_errors_are_all_counted_and_the_first_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", question(), *[{"x": 1}] * 500)
    assert main(["data", "check", path, "--env", "MCQA", "--show", "2"]) == 1
    out = capsys.readouterr().out
    assert f"{path}: 501 rows, 500 bad" in out
    assert "errors: 500 row; the first 2:" in out
    assert out.count("expected_answer: Field required") == 2
    assert f"  {path}, line 3: " in out


def test_reasons_are_bounded_and_cannot_move_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = "\x1b[2J" + "x" * 1000
    [(_, _, _, reason)] = check_rows(tmp_path, capsys, question(expected_answer=answer))
    assert "\x1b" not in reason
    assert len(reason) < 400


# --- what is doubtful


def test_duplicates_are_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [question(1), question(2, task_id="a"), question(1, task_id="b"), question(3, task_id="a")]
    found = check_rows(tmp_path, capsys, *rows, question(1), code=0)
    assert found == [
        (3, "duplicate_row", None, "the same as in line 1"),
        (5, "duplicate_row", None, "the same as in line 1"),
        (4, "duplicate_task_id", "task_id", "the same as in line 2"),
    ]


def test_duplicates_are_found_across_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "train.jsonl", question(1, task_id="a"), question(2))
    test = write(tmp_path / "test.jsonl", question(3, task_id="a"), question(2))
    [problem] = check(capsys, train, test, "--env", "MCQA")["problems"]
    assert (problem["file"], problem["line"]) == (test, 2)
    assert problem["reason"] == f"the same as in line 2 of {train}"


def test_warnings_fail_when_the_check_is_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", question(1), question(1))
    assert check(capsys, path, "--env", "MCQA")["warnings"] == {"duplicate_row": 1}
    assert check(capsys, path, "--env", "MCQA", "--strict", code=1)["bad"] == 0


def test_a_byte_order_mark_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = b"\xef\xbb\xbf" + json.dumps(question()).encode() + b"\n"
    assert check_rows(tmp_path, capsys, row, code=0) == [
        (1, "byte_order_mark", None, "the file begins with one")
    ]


def test_what_a_row_model_warns_of_gets_a_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [(line, kind, _, reason)] = check_rows(tmp_path, capsys, question(1), question(options=[]), code=0)
    assert (line, kind) == (2, "doubtful_row")
    assert "options" in reason
    assert capsys.readouterr().err == ""


def test_a_row_without_an_answer_to_grade_by_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    rows = [{"question": "Weather?"}, {"question": "Weather in Oslo?", "expected_call": call}]
    path = write(tmp_path / "rows.jsonl", *rows)
    report = check(capsys, path, "--env", "ExampleToolCallMultiReward")
    assert report["warnings"] == {"no_reference": 1}
    assert (report["problems"][0]["line"], report["problems"][0]["field"]) == (1, "expected_call")


# --- the environment


@pytest.mark.skipif(not PEER_ROWS.is_dir(), reason="recorded rows are not here")
@pytest.mark.parametrize("env_id", sorted(table))
def test_rows_of_nemo_gym_are_good(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = PEER_ROWS / f"{PEER_FILES.get(table[env_id].row, table[env_id].row + '__example')}.jsonl"
    if not path.is_file():
        pytest.skip("no rows of it")
    report = check(capsys, str(path), "--env", env_id)
    assert (report["bad"], report["rows"]) == (0, 3)
    assert set(report["warnings"]) <= {"duplicate_row", "doubtful_row"}
    if env_id in GUESSED:
        guessed = check(capsys, str(path))
        assert guessed["environment"] == env_id
        assert guessed["statistics"] == report["statistics"]


@pytest.mark.parametrize("env_id", sorted(table))
def test_bundled_rows_are_good(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = find(env_id).load().source().bundled
    report = check(capsys, str(path), "--env", env_id)
    assert report["bad"] == 0
    assert report["statistics"]["with_reference"] == report["rows"] >= 5


def test_agent_ref_names_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = {"type": "responses_api_agents", "name": "gpqa_diamond_simple_agent"}
    path = write(tmp_path / "rows.jsonl", question(agent_ref=reference))
    report = check(capsys, path)
    assert report["environment"] == "gym_llm/GPQADiamond-v0"
    assert report["why"] == "agent_ref names gpqa_diamond_simple_agent"


def test_a_bad_row_does_not_mislead_the_guess(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [question(i) for i in range(5)]
    report = check(capsys, write(tmp_path / "mcqa_rows.jsonl", *rows, {"x": 1}), code=1)
    assert report["environment"] == "gym_llm/MCQA-v0"
    assert report["why"] == "its row model reads 5 of the first 6 rows, and the file has its name"
    assert report["bad"] == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [question()], "may be of gym_llm/GPQADiamond-v0, gym_llm/MCQA-v0; name the", id="several"
        ),
        pytest.param(
            [question(agent_ref={"name": "unheard_of_simple_agent"})],
            "agent_ref names 'unheard_of_simple_agent', which is no environment here",
            id="unknown-agent",
        ),
        pytest.param(
            [question(agent_ref={"name": f"{name}_simple_agent"}) for name in ("mcqa", "simpleqa")],
            "several environments, gym_llm/MCQA-v0, gym_llm/SimpleQA-v0: check them apart",
            id="mixed",
        ),
        pytest.param([b"\x1f\x8b\n"], "line 1: the file is compressed", id="compressed"),
        pytest.param([b""], "no row to guess the environment from; name it with --env", id="empty"),
    ],
)
def test_what_cannot_be_guessed_has_to_be_named(
    rows: list[Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", write(tmp_path / "rows.jsonl", *rows)]) == 2
    assert message in capsys.readouterr().err


# --- sizes, good rows, use


def test_sizes_are_of_the_good_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        question(
            responses_create_params={
                "instructions": "ab",
                "input": "x" * (100 * i - 2),
                "tools": [{"type": "function", "name": "t"}] * (i % 2),
            }
        )
        for i in range(1, 101)
    ]
    path = write(tmp_path / "rows.jsonl", *rows, b"{}\n")
    statistics = check(capsys, path, "--env", "MCQA", code=1)["statistics"]
    assert statistics["prompt_characters"] == {
        "min": 100,
        "mean": 5050.0,
        "p50": 5050,
        "p90": 9010,
        "p99": 9901,
        "max": 10000,
    }
    assert statistics["messages"]["max"] == 2
    assert (statistics["tools"]["mean"], statistics["tools"]["max"]) == (0.5, 1)
    assert statistics["row_bytes"]["max"] == max(len(json.dumps(row)) for row in rows) + 1


def test_good_rows_are_written_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = json.dumps(question(2), indent=None, separators=(" ,", ":  ")).encode() + b"\r\n"
    last = json.dumps(question(3)).encode()
    path = write(tmp_path / "rows.jsonl", b"\xef\xbb\xbf", question(1), b"{}\n\n", odd, b"nope\n", last)
    good = tmp_path / "good.jsonl"
    check(capsys, path, "--env", "MCQA", "--write-good", str(good), code=1)
    assert good.read_bytes() == json.dumps(question(1)).encode() + b"\n" + odd + last + b"\n"
    assert check(capsys, str(good), "--env", "MCQA")["rows"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good.jsonl", "rows.jsonl"]


def test_no_file_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "rows.jsonl", question())
    assert main(["data", "check", path, "--env", "MCQA", "--write-good", path]) == 2
    assert "exists already" in capsys.readouterr().err
    assert json.loads(Path(path).read_text()) == question()


def test_nothing_is_left_when_the_check_breaks_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", question())
    command = ["data", "check", path, str(tmp_path / "missing.jsonl"), "--env", "MCQA"]
    assert main([*command, "--write-good", str(tmp_path / "good.jsonl")]) == 2
    assert "missing.jsonl cannot be read: No such file" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("limit", ["0", str(1 << 40)])
def test_a_limit_that_cannot_be_is_bad_usage(
    limit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", question())
    assert main(["data", "check", path, "--env", "MCQA", "--max-row-bytes", limit]) == 2
    assert "the largest row must be 1 to" in capsys.readouterr().err


MEASURED = """
import resource, sys
from gym_llm.cli import main
code = main(sys.argv[1:])
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
sys.exit(code)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A file of 200 MB, most of it one line, is checked in less than 60 MB more than a small one."""
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    write(small, question())
    with large.open("wb") as file:
        for i in range(40):
            file.write(json.dumps(question(i, uuid="x" * 1_000_000)).encode() + b"\n")
        file.write(b'{"uuid": "')
        for _ in range(160):
            file.write(b"y" * 1_000_000)
        file.write(b'"}\n')
    peaks = []
    for path, code in ((small, 0), (large, 1)):
        command = ["data", "check", str(path), "--env", "MCQA", "--max-row-bytes", "2000000"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        peaks.append(int(done.stderr) * 1024)
    assert peaks[1] - peaks[0] < 60_000_000
