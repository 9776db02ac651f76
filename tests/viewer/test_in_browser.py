"""The page in a real browser: filters, transcripts, comparison, keys, links, and hostile text."""

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gym_llm.viewer import write_page
from tests.support.runs import make_run, rollout
from tests.viewer.sample import CONTROLS, HOSTILE, LONG, SOKOBAN, WORKPLACE, sample_run

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
ui = pytest.importorskip("selenium.webdriver.support.ui", reason="selenium is not installed")
Keys = webdriver.Keys

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="chromium and chromedriver (Debian: chromium-driver) are not installed",
)
ROLLOUTS = 24
"""Of the sample."""


class Page:
    """A page in the browser, in the words of someone who looks at it."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser, self.url = browser, path.as_uri()

    def open(self, fragment: str = "") -> None:
        # By way of an empty page: another fragment alone would not load the page again.
        self.browser.get("about:blank")
        self.browser.get(self.url + fragment)
        self.wait(lambda: "of" in self.count and self.transcript)

    def wait(self, happens: Any) -> None:
        ui.WebDriverWait(self.browser, 30).until(lambda _: happens())

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def press(self, keys: str) -> None:
        self.browser.switch_to.active_element.send_keys(keys)

    def select(self, name: str, value: str) -> None:
        ui.Select(self.find(f"select[name={name}]")).select_by_value(value)

    def choose(self, env_id: str, task: int, repeat: int = 0) -> None:
        """Open a rollout by its place in the run."""
        self.open(f"#rollout={env_id}%23{task}%23{repeat}".replace("/", "%2F"))

    @property
    def count(self) -> str:
        return str(self.find("#count").text)

    @property
    def transcript(self) -> str:
        return str(self.find("#rollout").text)

    @property
    def rows(self) -> list[str]:
        return [row.get_attribute("data-key") for row in self.all(".row")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1440,900"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as chrome:
        yield chrome


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = sample_run(tmp_path_factory.mktemp("runs") / "sample")
    return write_page(run, run.path / "view.html").path


@pytest.fixture
def page(browser: Any, sample: Path) -> Iterator[Page]:
    """The sample's page; whatever a test did, no text of a model did anything and nothing went wrong."""
    found = Page(browser, sample)
    found.open()
    yield found
    assert browser.execute_script("return window.hacked") is None
    assert browser.get_log("browser") == []
    assert not found.all("article script, article svg, article a")
    assert all(image.get_attribute("src").startswith("data:image/png") for image in found.all("img"))


def test_header_says_what_the_run_is(page: Page) -> None:
    assert page.find("#name").text == "sample"
    assert "agent reference · seed 0 · 2 repeats" in page.find("#facts").text
    assert (
        "24 rollouts of 4 environments: 21 completed, 1 truncated, 2 failed" in page.find("#totals").text
    )
    rows = [row.text for row in page.all("#environments tbody tr")]
    assert "gym_llm/Sokoban-v0 8.65 3 1 0 2" in rows


def test_filters_are_clicked_and_counted(page: Page) -> None:
    assert page.count == f"{ROLLOUTS} of {ROLLOUTS} rollouts"
    page.select("state", "failed")
    assert page.count == f"2 of {ROLLOUTS} rollouts"
    page.select("failure", "env_crash")
    assert page.rows == ["gym_llm/MCQA-v0#16#0"]
    page.find("[type=reset]").click()
    page.wait(lambda: page.count == f"{ROLLOUTS} of {ROLLOUTS} rollouts")
    page.find("[name=mixed]").click()
    assert page.count == f"10 of {ROLLOUTS} rollouts"
    page.select("env", SOKOBAN)
    assert page.rows == [f"{SOKOBAN}#0#0", f"{SOKOBAN}#0#1"]
    page.find("[name=max]").send_keys("1")
    assert page.rows == [f"{SOKOBAN}#0#1"]


def test_transcript_is_read(page: Page) -> None:
    page.find("[name=q]").send_keys("YARA menu")
    page.wait(lambda: page.count == f"2 of {ROLLOUTS} rollouts")
    page.all(".row")[0].click()
    page.wait(lambda: "workplace_assistant-0" in page.transcript)
    messages = [message.text for message in page.all(".message")]
    assert messages[0].startswith("system\nYou assist an employee of Northwind")
    assert messages[2].startswith("assistant\nturn 1 · reward 0 · 30 tokens\n→ email_search_emails\n{")
    assert '"query": "yara lunch menu"' in messages[2]
    assert messages[3].startswith("tool · email_search_emails")
    assert messages[-1].endswith("reward 1 · 32 tokens\nDone.")
    assert "differing_tables" in page.find(".verdict").text
    page.find(".folds details:nth-of-type(2) > summary").click()
    page.wait(lambda: len(page.all(".folds details details")) == 27)


def test_two_rollouts_of_a_task_are_compared(page: Page) -> None:
    page.choose(WORKPLACE, 0)
    page.select("with", "1")
    page.wait(lambda: page.all("table.diff"))
    assert [cell.text for cell in page.all(".diff th")] == ["repeat 0", "repeat 1"]
    assert page.find(".diff td.removed mark").text.strip() == "menu"
    changed = [row.text for row in page.all(".diff tr.changed")]
    assert '"query": "yara lunch menu"' in changed[0]
    assert '"query": "yara lunch"' in changed[0]
    assert "reward 1 0" in page.find("table.facts").text
    equal = len(page.all(".diff tr.equal"))
    page.find(".diff .hidden button").click()
    assert len(page.all(".diff tr.equal")) == equal + 4
    page.select("with", "")
    page.wait(lambda: page.all(".message"))


def test_keys_move_search_and_compare(page: Page) -> None:
    first, second = page.rows[:2]
    assert page.find("#selected").get_attribute("data-key") == first
    page.press("j")
    page.wait(lambda: page.find("#selected").get_attribute("data-key") == second)
    page.press("k" + Keys.ARROW_DOWN + Keys.ARROW_UP)
    page.wait(lambda: page.find("#selected").get_attribute("data-key") == first)
    page.press("/")
    page.press("sokoban-0j")
    assert page.find("[name=q]").get_attribute("value") == "sokoban-0j"
    page.press(Keys.BACKSPACE + Keys.ESCAPE)
    assert page.count == f"2 of {ROLLOUTS} rollouts"
    page.press("j")
    page.wait(lambda: "sokoban-0" in page.transcript)
    page.press("c")
    page.wait(lambda: page.all("table.diff"))
    page.press("c")
    page.wait(lambda: page.all(".message"))


def test_columns_sort(page: Page) -> None:
    page.find("#columns .reward button").click()
    page.find("#columns .reward button").click()
    assert page.rows[:2] == [f"{SOKOBAN}#0#0", f"{SOKOBAN}#2#0"]
    assert page.find("#columns .reward").get_attribute("aria-sort") == "descending"
    assert page.rows[-1].startswith("gym_llm/MCQA-v0#16")


def test_link_holds_rollout_filters_and_order(page: Page) -> None:
    page.select("state", "truncated")
    page.find("#columns .turns button").click()
    page.all(".row")[0].click()
    page.wait(lambda: "turn 2" in page.transcript)
    page.select("with", "0")
    page.wait(lambda: page.all("table.diff"))
    fragment = page.browser.current_url.partition("#")[2]
    page.open(f"#{fragment}")
    page.wait(lambda: page.all("table.diff"))
    assert page.count == f"1 of {ROLLOUTS} rollouts"
    assert page.find("#columns .turns").get_attribute("aria-sort") == "ascending"
    assert page.find("#selected").get_attribute("data-key") == f"{SOKOBAN}#0#1"


def test_hostile_text_is_text(page: Page) -> None:
    page.choose("gym_llm/MCQA-v0", 10)
    assert page.transcript.count(HOSTILE) == 3
    page.choose("gym_llm/MCQA-v0", 13)
    assert HOSTILE in page.find(".called").text
    assert page.all(".called")[1].text == "→ run the arguments are not valid JSON"
    page.choose("gym_llm/MCQA-v0", 15)
    assert HOSTILE in page.find(".failure").text
    page.find(".failure summary").click()
    page.wait(lambda: "Traceback" in page.find(".failure").text)


def test_policy_stops_what_the_page_does_not_do_anyway(page: Page) -> None:
    tried = """
      try { document.body.innerHTML += "<img src=x onerror='window.hacked = 4'>"; return "parsed"; }
      catch (error) { return error.name; }"""
    assert page.browser.execute_script(tried) == "TypeError"
    page.browser.get_log("browser")


def test_control_characters_are_spelled_out(page: Page) -> None:
    page.choose("gym_llm/MCQA-v0", 11)
    page.find(".message summary").click()
    page.wait(lambda: HOSTILE in page.transcript)
    assert "⟨U+001B⟩[31mred" in page.transcript
    assert "⟨U+202E⟩gnp.exe" in page.transcript
    assert not {c for c in CONTROLS if not c.isprintable() and c != "\t"} & set(page.transcript)


def test_long_text_is_folded(page: Page) -> None:
    page.choose("gym_llm/MCQA-v0", 12)
    shown = functools.partial(
        page.browser.execute_script, "return document.querySelector('.assistant pre').textContent"
    )
    assert len(shown()) <= 4000
    button = page.find(".assistant .more")
    assert button.text == f"show all ({len(LONG):,} characters)"
    button.click()
    assert shown() == LONG


def test_pictures_are_shown(page: Page) -> None:
    page.choose("gym_llm/MCQA-v0", 14)
    width = "return document.querySelector('.message img').naturalWidth"
    page.wait(lambda: page.browser.execute_script(width) == 48)
    assert '"odd"' in page.transcript


def test_long_lists_are_drawn_where_they_are_seen(browser: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(n, m, n % 2) for n in range(1500) for m in range(2)])
    page = Page(browser, write_page(run, tmp_path / "page.html", limit=2500).path)
    page.open()
    assert page.count == "2,500 of 2,500 rollouts"
    assert page.find("#notice").text.startswith("This page holds the first 2,500 of 3,000 rollouts")
    assert len(page.all(".row")) < 100
    browser.execute_script("document.getElementById('list').scrollTop = 1e9")
    page.wait(lambda: page.rows[-1] == "gym_llm/MCQA-v0#1249#1")
    page.all(".row")[-1].click()
    page.wait(lambda: "Question 1249?" in page.transcript)
    assert browser.get_log("browser") == []


def test_lines_are_aligned_by_a_longest_common_subsequence(page: Page) -> None:
    script = (
        "const { rows, isWhole } = diffLines(arguments[0], arguments[1]); return [rows.map("
        "(r) => [r.left, r.right, r.isEqual]), isWhole]"
    )
    rows, is_whole = page.browser.execute_script(script, list("axbcz"), list("abxyz"))
    assert is_whole
    assert len([r for r in rows if r[2]]) == 3
    assert sorted(r[0] for r in rows if r[0] is not None) == list(range(5))
    assert sorted(r[1] for r in rows if r[1] is not None) == list(range(5))
    many = [[str(side * 10_000 + n) for n in range(3000)] for side in (0, 1)]
    rows, is_whole = page.browser.execute_script(script, *many)
    assert (len(rows), is_whole) == (3000, False)


@pytest.mark.parametrize(
    ("written", "pretty"),
    [
        pytest.param(
            '{"a":1.0,"b":[1,{"c":"x,y"}]}',
            '{\n  "a": 1.0,\n  "b": [\n    1,\n    {\n      "c": "x,y"\n    }\n  ]\n}',
            id="nested",
        ),
        pytest.param("[ ]", "[]", id="empty"),
        pytest.param(
            '{"n": 12345678901234567890}', '{\n  "n": 12345678901234567890\n}', id="digits-stay"
        ),
        pytest.param('{"s": "\\"{\\\\"}', '{\n  "s": "\\"{\\\\"\n}', id="escapes"),
        pytest.param('{"unclosed": ', None, id="no-json"),
    ],
)
def test_json_is_shown_as_it_was_written(page: Page, written: str, pretty: str | None) -> None:
    assert page.browser.execute_script("return prettyJson(arguments[0])", written) == pretty


def test_json_of_the_largest_size_is_laid_out(page: Page) -> None:
    deep = "[" * 5000 + "]" * 5000
    wide = '{"text": "' + "x\\n" * 60_000 + '"}'
    for text in (deep, wide):
        assert page.browser.execute_script(
            "return prettyJson(arguments[0]).replace(/\\s/g, '')", text
        ) == text.replace(" ", "")
