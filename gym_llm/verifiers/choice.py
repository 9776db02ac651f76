r"""Multiple choice: which option letter did the text choose?

The rules are those of NeMo Gym's ``mcqa`` server, whose rewards the conformance tests replay.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import regex

from gym_llm.errors import ConfigError
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.boxed import last_boxed, peel_text
from gym_llm.verifiers.patterns import find_matches, last_capture

GradingMode = Literal[
    "strict_single_letter_boxed", "lenient_boxed", "lenient_answer_colon", "lenient_answer_colon_md"
]

# Arabic, Bengali and full-width letters that multilingual data sets use for A to D.
_FOREIGN = str.maketrans(
    {
        char: f" {letter}"
        for letters in (
            "\u0623\u0628\u062c\u062f",
            "\u0985\u09ac\u09a1\u09a2",
            "\uff21\uff22\uff23\uff24",
        )
        for char, letter in zip(letters, "ABCD", strict=True)
    }
)
_ONE_LETTER = re.compile(r"[^A-Za-z]*([A-Z])[^A-Za-z]*")
_LETTER_THEN_MARK = re.compile(r"([A-Z])\s*[:).\-]")
_ANSWER_COLON = re.compile(r"answer\s*:\s*(.+)", re.IGNORECASE)
_ANSWER_COLON_MD = re.compile(r"answer[*_]{0,2}\s*:[*_\s]{0,2}(.+)", re.IGNORECASE)
_LEADING_LETTER = re.compile(r"([A-Za-z])(?![A-Za-z0-9])")
_CAPITAL = re.compile(r"\b[A-Z]\b")
_LIST = re.compile(
    r"(?=\b([A-Za-z])(?:\s*[/|&,;]\s*|\s+or\s+|\s+and\s+|\s+)([A-Za-z])\b)", re.IGNORECASE
)

Options = Mapping[str, str]
"""Option letter (upper case) to option text."""


def normalise(text: str) -> str:
    """Lower-case a text and collapse its blanks, for comparing it with option texts."""
    return " ".join(text.lower().split())


def map_foreign_letters(text: str) -> str:
    """Replace option letters of other scripts by their Latin ones."""
    return text.translate(_FOREIGN)


def letter_by_pattern(pattern: str, text: str, options: Options) -> str | None:
    """Return the letter that a row's own pattern extracts: its last match, a letter or an option's text.

    A letter counts even when it is not among the options, as upstream has it.
    """
    matches = find_matches(pattern, text, regex.IGNORECASE)
    if not matches:
        return None
    value = map_foreign_letters(last_capture(matches[-1]).strip()).strip().upper()
    if len(value) == 1 and value.isalpha():
        return value
    return letter_by_text(value, options)


def letter_by_text(value: str, options: Options) -> str | None:
    """Return the letter of the option whose text equals ``value``, case and blanks aside."""
    wanted = normalise(value)
    return next((letter for letter, text in options.items() if normalise(text) == wanted), None)


def strict_boxed(text: str, options: Options) -> str | None:
    r"""Return the capital in the last ``\boxed{}``: alone, or before ``:``, ``)``, ``.`` or ``-``."""
    box = last_boxed(text)
    if box is None:
        return None
    content = peel_text(box)
    match = _ONE_LETTER.fullmatch(content) or _LETTER_THEN_MARK.match(content)
    return match.group(1) if match and match.group(1) in options else None


def lenient_boxed(text: str, options: Options) -> str | None:
    """Return the strict letter, else that of the one option whose text occurs in the last box."""
    letter = strict_boxed(text, options)
    box = last_boxed(text)
    if letter is not None or box is None:
        return letter
    contents = {normalise(box), normalise(peel_text(box))}
    found = {k for k, v in options.items() if normalise(v) and any(normalise(v) in c for c in contents)}
    return found.pop() if len(found) == 1 else None


def lenient_answer_colon(text: str, options: Options) -> str | None:
    """Return what follows the first ``answer:``: a letter in any case, or an option's text."""
    match = _ANSWER_COLON.search(text)
    if match is None:
        return None
    value = peel_text(match.group(1))
    if len(value) == 1 and value.isalpha():
        return value.upper() if value.upper() in options else None
    return letter_by_text(value, options)


def lenient_answer_colon_md(text: str, options: Options) -> str | None:
    """Return the letter of the last usable ``Answer:``, which may be marked up."""
    for payload in reversed(_ANSWER_COLON_MD.findall(text)):
        letter = _letter_of_payload(map_foreign_letters(payload).strip(" \t*_\\`.,;:"), options)
        if letter is not None:
            return letter
    return None


def _letter_of_payload(payload: str, options: Options) -> str | None:
    for first, second in _LIST.findall(payload[:10_000]):
        pair = {first.upper(), second.upper()}
        if len(pair) == 2 and pair <= set(options):
            return None
    if len(payload) == 1:
        letter = payload
    elif match := _LEADING_LETTER.match(payload):
        letter = match.group(1)
    else:
        capitals = _CAPITAL.findall(payload)
        letter = capitals[-1] if capitals else ""
    return letter.upper() if letter.upper() in options else None


_EXTRACTORS = {
    "strict_single_letter_boxed": strict_boxed,
    "lenient_boxed": lenient_boxed,
    "lenient_answer_colon": lenient_answer_colon,
    "lenient_answer_colon_md": lenient_answer_colon_md,
}


@dataclass(frozen=True)
class Choice:
    """1.0 if the extracted letter is the row's ``expected_answer``; else 0.0.

    The row's own ``template_metadata.output_regex`` comes first, then the grading mode. The task's row
    has
    ``letters`` (letter to option text), ``gold``, ``patterns`` and ``grading_mode``, as
    `gym_llm.envs.knowledge.mcqa.MCQARow` does.
    """

    grading_mode: GradingMode | None = None
    """Overrides the mode of every row; None lets the row decide."""

    components = ("correct",)

    def __post_init__(self) -> None:
        if self.grading_mode not in (None, *get_args(GradingMode)):
            raise ConfigError(
                f"grading_mode must be one of {get_args(GradingMode)}, got {self.grading_mode!r}"
            )

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the text of the whole episode."""
        row = task.row
        text = episode.text("all_lines")
        letter = next((x for p in row.patterns if (x := letter_by_pattern(p, text, row.letters))), None)
        if letter is None:
            mode = self.grading_mode or row.grading_mode or "strict_single_letter_boxed"
            letter = _EXTRACTORS[mode](text, row.letters)
        return Verification.of(
            "correct",
            bool(row.gold) and letter == row.gold,
            expected_answer=row.gold,
            extracted_answer=letter,
            extracted_outside_options=letter is not None and letter not in row.letters,
        )
