r"""Reading ``\boxed{}``."""

import time
from typing import Any

import pytest

from gym_llm.verifiers.boxed import boxed_integer, last_boxed, peel_text, short_boxes


@pytest.mark.parametrize(
    ("text", "content"),
    [
        pytest.param(r"\boxed{1} \boxed{\frac{1}{2}}", r"\frac{1}{2}", id="balanced"),
        pytest.param(r"\boxed{1} \boxed{2", None, id="last-is-not-closed"),
        pytest.param("none", None, id="no-box"),
    ],
)
def test_last_boxed(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


@pytest.mark.parametrize(
    ("content", "peeled"),
    [(r" \text{ \text{a} } ", "a"), (r"\text{a} b", r"\text{a} b"), (r"\text{a", r"\text{a")],
)
def test_peel_text(content: str, peeled: str) -> None:
    assert peel_text(content) == peeled


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        pytest.param(r"\boxed{a}\boxed{}", ["a", ""], id="all"),
        pytest.param(r"\boxed{\text{C}}", [r"\text{C"], id="first-closing-brace"),
        pytest.param(r"\boxed{\boxed{A}}", [r"\boxed{A"], id="nested"),
        pytest.param(r"\boxed{a} \boxed{b", ["a"], id="unclosed"),
    ],
)
def test_short_boxes(text: str, contents: list[str]) -> None:
    assert short_boxes(text) == contents


@pytest.mark.parametrize(
    ("text", "which", "number"),
    [
        pytest.param(r"$\boxed{02}$", "first", 2, id="leading-zero"),
        pytest.param(r"\boxed{3} no \boxed{2}", "first", 3, id="first"),
        pytest.param(r"\boxed{3} no \boxed{2}", "last", 2, id="last"),
        pytest.param(r"\boxed{two} \boxed{2}", "first", 2, id="other-content-is-skipped"),
        pytest.param(
            r"\boxed{ 2 } \boxed{-2} \boxed{2.0} \boxed {2} \boxed{2", "first", None, id="none"
        ),
        pytest.param("\\boxed{\u0663}", "first", 3, id="digit-of-another-script"),
        pytest.param(r"\boxed{" + "1" * 10 + "}", "first", None, id="too-many-digits"),
        pytest.param(r"\boxed{" + "1" * 9 + "}", "last", 111_111_111, id="nine-digits"),
    ],
)
def test_boxed_integer(text: str, which: Any, number: int | None) -> None:
    assert boxed_integer(text, which) == number


@pytest.mark.parametrize("unit", [r"\boxed{", r"\boxed{1", r"\boxed{1}", "1"])
def test_linear_in_the_text(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.monotonic()
    for function in (last_boxed, short_boxes, boxed_integer):
        function(text)
    assert time.monotonic() - started < 10  # a bound against quadratic time, not a measurement
