"""WorkplaceAssistant: the reward table of its specification, each tool once, knobs, rows and bounds."""

import copy
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import gym_llm
from gym_llm.envs.agent.workplace.fields import parse_timestamp
from gym_llm.envs.agent.workplace.final_state import FinalState
from gym_llm.envs.agent.workplace.state import BUNDLED, Workplace
from gym_llm.envs.agent.workplace.toolbox import TOOLS, execute, replay
from gym_llm.errors import ConfigError, DataError, RowError
from gym_llm.messages import ToolCall
from gym_llm.tasks import Task
from gym_llm.verification import Episode
from gym_llm.wrappers import SessionState

ID = "gym_llm/WorkplaceAssistant-v0"
Call = tuple[str, dict[str, Any] | str]


def call(name: str, **arguments: Any) -> Call:
    return name, arguments


def create(**changes: Any) -> Call:
    event = {"event_name": "Handover", "participant_email": "kofi.lehmann@northwind.example"}
    event |= {"event_start": "2023-12-04 10:00:00", "duration": "30"}
    return "calendar_create_event", event | changes


def add(**changes: Any) -> Call:
    customer = {"customer_name": "Selma Roth", "assigned_to_email": "mira@x.example", "status": "Lead"}
    return "customer_relationship_manager_add_customer", customer | changes


def plot(kind: str) -> Call:
    return call(
        "analytics_create_plot", time_min="2023-11-01", time_max="2023-11-02",
        value_to_plot="total_visits", plot_type=kind,
    )  # fmt: skip


def send(**changes: Any) -> Call:
    mail = {"recipient": "yara.castellan@northwind.example", "subject": "S", "body": "Ask Bea."}
    return "email_send_email", mail | changes


def update_task(field: str, value: Any) -> Call:
    return call("project_management_update_task", task_id="00000055", field=field, new_value=value)


def delete_event(number: int) -> Call:
    return call("calendar_delete_event", event_id=f"{number:08}")


SEARCH = call("email_search_emails", query="lunch")
REPLY = call("email_reply_email", email_id="00000094", body="Ask Bea.")
ELSEWHERE = create(event_name="Stand-up")
DROP = call("customer_relationship_manager_delete_customer", customer_id="00000062")
ADD_NULL = add(notes=None, customer_phone=None)


def row(truth: Any) -> dict[str, Any]:
    if isinstance(truth, list):
        truth = [{"name": name, "arguments": arguments} for name, arguments in truth]
    return {"request": "Do it.", "ground_truth": truth, "category": "workplace_assistant_email"}


def action(calls: list[Call]) -> str:
    texts = [(name, a if isinstance(a, str) else json.dumps(a)) for name, a in calls]
    return gym_llm.encode_action("", [ToolCall(name, text) for name, text in texts])


def grade(truth: Any, calls: list[Call], **kwargs: Any) -> tuple[float, dict[str, Any]]:
    """Play a call a turn, then close."""
    env = gymnasium.make(ID, tasks=[row(truth)], **kwargs)
    env.reset(seed=0)
    for one in calls:
        env.step(action([one]))
    _, reward, terminated, _, info = env.step("Done.")
    assert terminated
    return float(reward), info["verification"].fields


@pytest.mark.parametrize(
    ("truth", "calls", "reward"),
    [
        pytest.param([create()], [create()], 1.0, id="same-event"),
        pytest.param([create()], [create(event_name="HANDOVER")], 1.0, id="other-letter-case"),
        pytest.param([create()], [create(event_start="2023-12-04 10:00")], 0.0, id="start-text"),
        pytest.param([create()], [create(duration="30 ")], 0.0, id="duration-with-blank"),
        pytest.param([create()], [create(), delete_event(100), create()], 1.0, id="created-anew"),
        pytest.param([], [create(), delete_event(100)], 1.0, id="undone"),
        pytest.param([], [SEARCH, SEARCH], 1.0, id="nothing-to-do-only-searches"),
        pytest.param([], [], 1.0, id="nothing-to-do-nothing-done"),
        pytest.param("no actions", [], 1.0, id="truth-as-text"),
        pytest.param([], [create()], 0.0, id="nothing-to-do-but-done"),
        pytest.param([create()], [create(), create()], 0.0, id="created-twice"),
        pytest.param([create(), ELSEWHERE], [ELSEWHERE, create()], 0.0, id="creations-swapped"),
        pytest.param([plot("bar"), plot("line")], [plot("line"), plot("bar")], 0.0, id="plots-swapped"),
        pytest.param([plot("bar"), plot("line")], [plot("bar"), plot("line")], 1.0, id="plots"),
        pytest.param(
            [delete_event(24), delete_event(35)], [delete_event(35), delete_event(24)], 1.0,
            id="deletions-swapped",
        ),
        pytest.param(
            [delete_event(24), create()], [create(), delete_event(24)], 1.0, id="deletion-after-creation"
        ),
        pytest.param([DROP, add()], [add(), DROP], 1.0, id="customer-dropped-last"),
        pytest.param([REPLY], [send(subject="RE: Question about lunch menu")], 1.0, id="sent-reply"),
        pytest.param([REPLY], [send(subject="Question about lunch menu")], 0.0, id="no-prefix"),
        pytest.param([send()], [send(body="Ask Bea")], 0.0, id="no-full-stop"),
        pytest.param(
            [update_task("list_name", "In Review")], [update_task("list_name", "in review")], 1.0,
            id="refused-but-the-truth-changes-nothing",
        ),
        pytest.param(
            [update_task("list_name", "Completed")], [update_task("list_name", "completed")], 0.0,
            id="list-name-in-other-case",
        ),
        pytest.param([add()], [add(status="lead")], 0.0, id="status-in-other-case"),
        pytest.param([add()], [add(customer_name="selma roth")], 1.0, id="name-in-other-case"),
        pytest.param([add()], [ADD_NULL], 1.0, id="null-arguments"),
        pytest.param([ADD_NULL], [add()], 1.0, id="null-arguments-in-the-truth"),
        pytest.param([create()], [create(location="Room 1")], 0.0, id="extra-keyword"),
        pytest.param([create()], [("calendar_create_event", "{"), create()], 1.0, id="no-json-first"),
        pytest.param([create()], [("calendar_create", "{}"), create()], 1.0, id="no-tool-first"),
        pytest.param([("calendar_create_event", "{")], [], 1.0, id="failing-truth-is-skipped"),
        pytest.param([create()], [create(duration=30)], 1.0, id="duration-as-number"),
        pytest.param([create(duration=30)], [create(duration=60)], 0.0, id="other-number"),
        pytest.param([create(event_name=7)], [create(event_name=7)], 1.0, id="number-as-name"),
        pytest.param([create(event_name=7)], [create(event_name="7")], 0.0, id="number-is-not-its-text"),
        pytest.param([create()], [], 0.0, id="nothing-done"),
    ],
)  # fmt: skip
def test_reward(truth: Any, calls: list[Call], reward: float) -> None:
    assert grade(truth, calls)[0] == reward


@pytest.mark.parametrize(
    ("truth", "calls", "knobs", "reward"),
    [
        pytest.param([create()], [create(duration=30)], {"numeric_equal": []}, 0.0, id="typed-duration"),
        pytest.param(
            [create(event_name=7)], [create(event_name="7")], {"numeric_equal": ["event_name"]}, 1.0,
            id="number-equals-text-in-a-column",
        ),
        pytest.param(
            [create()], [create(event_start="2023-12-04T10:00")], {"canonical_event_start": True}, 1.0,
            id="same-moment",
        ),
        pytest.param(
            [create()], [create(event_start="2023-12-04 10:01")], {"canonical_event_start": True}, 0.0,
            id="other-moment",
        ),
        pytest.param(
            [create(), ELSEWHERE], [ELSEWHERE, create()], {"order_free": True}, 1.0, id="creations"
        ),
        pytest.param([plot("bar"), plot("line")], [plot("line"), plot("bar")], {"order_free": True}, 1.0,
                     id="plots-swapped"),
        pytest.param([create()], [create(), create()], {"order_free": True}, 0.0, id="one-too-many"),
        pytest.param(
            [], [update_task("board", "Design"), update_task("board", "Back end")], {"order_free": True},
            1.0, id="undone",
        ),
        pytest.param(
            [delete_event(24)], [delete_event(35)], {"order_free": True}, 0.0, id="another-event-deleted"
        ),
    ],
)  # fmt: skip
def test_knob(truth: Any, calls: list[Call], knobs: dict[str, Any], reward: float) -> None:
    assert grade(truth, calls, **knobs)[0] == reward


def test_fields_report_calls_and_differences() -> None:
    _, fields = grade([create(), send()], [send(), SEARCH, ("no_tool", "{}"), create(duration=0)])
    assert fields == {
        "category": "workplace_assistant_email",
        "differing_tables": ["events"],
        "n_truth_actions": 2,
        "n_calls": 4,
        "n_invalid_calls": 2,
    }


def test_truncated_episode_is_graded() -> None:
    env = gymnasium.make(ID, tasks=[row([create()])])
    env.reset(seed=0)
    steps = [env.step(action([one])) for one in [create(), *[SEARCH] * 5]]
    assert [truncated for *_, truncated, _ in steps] == [False] * 5 + [True]
    assert steps[-1][1] == 1.0


@pytest.fixture
def office() -> Workplace:
    return Workplace.fresh()


def use(office: Workplace, name: str, /, **arguments: Any) -> Any:
    """Call a tool that must not refuse."""
    result = execute(TOOLS, office, ToolCall(name, json.dumps(arguments)))
    assert result.ok, result.text
    return json.loads(result.text)["output"]


def refusal(office: Workplace, name: str, /, **arguments: Any) -> str:
    before = repr(office)
    result = execute(TOOLS, office, ToolCall(name, json.dumps(arguments)))
    assert not result.ok
    assert repr(office) == before
    return str(json.loads(result.text)["output"])


def do(office: Workplace, one: Call) -> Any:
    assert isinstance(one[1], dict)
    return use(office, one[0], **one[1])


def refuse(office: Workplace, one: Call) -> str:
    assert isinstance(one[1], dict)
    return refusal(office, one[0], **one[1])


def test_there_are_27_tools_with_schemas() -> None:
    env = gymnasium.make(ID)
    _, info = env.reset(seed=0)
    assert len(info["tools"]) == len(TOOLS) == 27
    schema = next(
        t["function"] for t in info["tools"] if t["function"]["name"] == "calendar_create_event"
    )
    assert schema["parameters"]["required"] == [*create()[1]]
    assert {p["type"] for p in schema["parameters"]["properties"].values()} == {"string"}


def test_directory(office: Workplace) -> None:
    find = "company_directory_find_email_address"
    assert use(office, find, name="VUONG") == ["clara.vuong@northwind.example"]
    assert use(office, find, name="(") == use(office, find, name="") == "No address found."


def test_mail(office: Workplace) -> None:
    get = "email_get_email_information_by_id"
    assert use(office, get, email_id="00000094", field="subject") == {
        "subject": "Question about lunch menu"
    }
    use(office, "email_send_email", recipient="A@B.example", subject="Hi", body="There")
    use(office, "email_forward_email", email_id="00000094", recipient="bea.solano@northwind.example")
    use(office, "email_reply_email", email_id="150", body="And you?")
    use(office, "email_delete_email", email_id="00000094")
    assert "no email_id" in refusal(office, "email_delete_email", email_id="00000094")
    added = [[*mail.values()] for _, mail in office.emails.added()]
    forwarded = next(m for m in office.emails.base.records if m["email_id"] == "00000094")
    now = "2023-11-30 23:59:00"
    assert added == [
        ["150", "outbox", "a@b.example", "Hi", now, "There"],
        ["151", "outbox", "bea.solano@northwind.example", "FW: Question about lunch menu", now,
         forwarded["body"]],
        ["152", "outbox", "a@b.example", "RE: Hi", now, "And you?"],
    ]  # fmt: skip


def test_mail_search_needs_every_word_and_keeps_to_the_days(office: Workplace) -> None:
    def search(**arguments: Any) -> list[str]:
        found = use(office, "email_search_emails", page_size=100, **arguments)
        return [] if isinstance(found, str) else [mail["sent_datetime"] for mail in found["emails"]]

    assert len(search(query="YARA lunch")) < len(search(query="lunch"))
    assert search(query="yara zebra") == []
    days = search(date_min="2023-11-28", date_max="2023-11-29")
    assert days == sorted(days, reverse=True)
    assert {day[:10] for day in days} == {"2023-11-28", "2023-11-29"}
    assert "date_min" in refusal(office, "email_search_emails", date_min="yesterday")


def test_pages(office: Workplace) -> None:
    def search(**arguments: Any) -> tuple[int, dict[str, int]]:
        found = use(office, "email_search_emails", **arguments)
        return len(found["emails"]), found["pagination"]

    first = {"total_emails": 150, "page": 1, "page_size": 5, "total_pages": 30}
    assert search() == search(page=-3) == search(page=None) == (5, first)
    assert search(page=999, page_size=40) == (
        30,
        {**first, "page": 4, "page_size": 40, "total_pages": 4},
    )
    assert search(page_size=10**30) == (100, {**first, "page_size": 100, "total_pages": 2})
    assert search(page_size=0) == (1, {**first, "page_size": 1, "total_pages": 150})


def test_calendar(office: Workplace) -> None:
    get, search = "calendar_get_event_information_by_id", "calendar_search_events"
    assert use(office, get, event_id="00000042", field="duration") == {"duration": "30"}
    assert "8 digits" in refusal(office, get, event_id="42", field="duration")
    assert "fields: event_id" in refusal(office, get, event_id="00000042", field="room")
    day = {"time_min": "2023-12-07 00:00:00", "time_max": "2023-12-07 14:30:00"}
    found = use(office, search, query="SAMIR", **day)["events"]
    assert [event["event_id"] for event in found] == ["00000035", "00000024"]
    assert use(office, search, query="(") == "No events found."
    event_id = do(office, create())
    assert event_id == "00000100"
    change = {"event_id": event_id, "field": "duration"}
    assert "above 0" in refusal(office, "calendar_update_event", **change, new_value="-5")
    use(office, "calendar_update_event", **change, new_value="45")
    assert use(office, get, event_id=event_id, field="duration") == {"duration": "45"}
    assert "cannot be set" in refusal(
        office, "calendar_update_event", event_id=event_id, field="event_id", new_value="1"
    )
    use(office, "calendar_delete_event", event_id=event_id)
    assert office.events.added() == []


def test_analytics(office: Workplace) -> None:
    visits = [v for v in office.visits if "2023-11-01" <= v["date_of_visit"] <= "2023-11-03"]
    days = {"time_min": "2023-11-01", "time_max": "2023-11-03"}
    total = use(office, "analytics_total_visits_count", **days)
    engaged = use(office, "analytics_engaged_users_count", **days)
    direct = use(office, "analytics_traffic_source_count", **days, traffic_source="direct")
    average = use(office, "analytics_get_average_session_duration", **days)
    assert set(total) == {v["date_of_visit"] for v in visits} == set(average)
    assert sum(total.values()) == len(visits)
    assert sum(engaged.values()) == sum(v["user_engaged"] is True for v in visits)
    assert sum(direct.values()) == sum(v["traffic_source"] == "direct" for v in visits)
    seconds = sum(int(v["session_duration_seconds"]) for v in visits)
    assert sum(average[day] * total[day] for day in total) == pytest.approx(seconds)
    visitor = use(office, "analytics_get_visitor_information_by_id", visitor_id=visits[0]["visitor_id"])
    assert visits[0] in visitor
    assert do(office, plot("bar")) == ("plots/2023-11-01_2023-11-02_total_visits_bar.png")
    assert "plot_type" in refuse(office, plot("pie"))


def test_project_management(office: Workplace) -> None:
    search, make = "project_management_search_tasks", "project_management_create_task"
    priya = "Priya.Lindqvist@northwind.example"
    found = use(office, search, assigned_to_email=priya, list_name="review")
    assert {task["task_id"] for task in found} == {"00000055", "00000089"}
    assert "at least one" in refusal(office, search)
    assert "not an e-mail" in refusal(office, search, assigned_to_email="priya")
    assert use(office, search, task_name="no such task") == "No tasks found."
    task = {"task_name": "T", "assigned_to_email": priya, "list_name": "Backlog", "board": "Design"}
    assert use(office, make, **task, due_date="2023-12-08") == "00000100"
    assert "nobody's" in refusal(office, make, **{**task, "assigned_to_email": "a@b.c"}, due_date="x")
    assert "due_date" in refusal(office, make, **task)
    assert "list_name" in refusal(office, make, **{**task, "list_name": "backlog"}, due_date="x")
    get = "project_management_get_task_information_by_id"
    assert use(office, get, task_id="00000100", field="assigned_to_email") == {
        "assigned_to_email": priya.lower()
    }
    assert "nobody's" in refuse(office, update_task("assigned_to_email", "a@b.c"))
    use(office, "project_management_delete_task", task_id="00000100")
    do(office, update_task("task_id", "00000200"))
    assert use(office, make, **task, due_date="2023-12-08") == "00000201"


def test_customers(office: Workplace) -> None:
    search = "customer_relationship_manager_search_customers"
    found = use(office, search, assigned_to_email="CLARA", product_interest="consult", status="Proposal")
    assert {c["customer_id"] for c in found["customers"]} == {"00000007", "00000032"}
    assert found["pagination"]["total_customers"] == 2
    assert "at least one" in refusal(office, search, page=2)
    change = "customer_relationship_manager_update_customer"
    assert "new_value" in refusal(
        office, change, customer_id="00000007", field="status", new_value="won"
    )
    use(office, change, customer_id="00000007", field="status", new_value="Won")
    assert office.customers.find("00000007")["status"] == "Won"
    assert do(office, add(customer_email="Selma@X.Example")) == "00000080"
    assert office.customers.find("00000080") == {
        "customer_id": "00000080", "assigned_to_email": "mira@x.example", "customer_name": "Selma Roth",
        "customer_email": "selma@x.example", "customer_phone": None, "last_contact_date": None,
        "product_interest": None, "status": "Lead", "follow_up_by": None, "notes": "",
    }  # fmt: skip
    assert "status" in refuse(office, add(status=""))
    use(office, "customer_relationship_manager_delete_customer", customer_id="00000007")
    assert "no customer_id" in refusal(
        office, "customer_relationship_manager_delete_customer", customer_id="00000007"
    )


def test_customer_dates_compare_as_texts(office: Workplace) -> None:
    def contacts(**bounds: str) -> set[str]:
        arguments = {**bounds, "page_size": 100}
        found = use(office, "customer_relationship_manager_search_customers", **arguments)
        return {customer["last_contact_date"][:10] for customer in found["customers"]}

    assert max(contacts(last_contact_date_max="2023-11-30")) < "2023-11-30"
    assert max(contacts(last_contact_date_max="2023-12-01")) == "2023-11-30"
    assert min(contacts(last_contact_date_min="2023-11-20")) >= "2023-11-20"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param(*send(recipient="nobody"), id="recipient-without-at"),
        pytest.param(*send(body=""), id="empty-body"),
        pytest.param(*send(body=None), id="null-body"),
        pytest.param(*send(body="x" * 10_001), id="cell-too-long"),
        pytest.param(*send(body=["x"]), id="list-as-text"),
        pytest.param(*create(event_start="tomorrow"), id="start-is-no-date"),
        pytest.param(*create(event_start="2023-" + "1" * 100_000), id="start-too-long"),
        pytest.param(*create(duration="0"), id="no-duration"),
        pytest.param(*create(duration="9" * 5000), id="number-too-long"),
        pytest.param(*create(duration=True, event_name=""), id="empty-name"),
        pytest.param(*update_task("colour", "red"), id="unknown-field"),
    ],
)
def test_refused_call_changes_nothing(office: Workplace, name: str, arguments: dict[str, Any]) -> None:
    assert refusal(office, name, **arguments)


def test_number_of_new_records_is_bounded(office: Workplace) -> None:
    for _ in range(200):
        do(office, plot("bar"))
    assert "no more than 200" in refuse(office, plot("bar"))


def test_result_that_is_too_long_is_withheld(office: Workplace) -> None:
    for number in range(30):
        do(office, ("project_management_update_task", {
            "task_id": f"{number:08}", "field": "task_name", "new_value": "long " * 2000,
        }))  # fmt: skip
    assert "ask for less" in use(office, "project_management_search_tasks", task_name="long")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-12-04", "2023-12-04 00:00:00"),
        (" 2023-12-04T10:00:00Z ", "2023-12-04 10:00:00"),
        ("12/04/2023 10:00", "2023-12-04 10:00:00"),
        ("December 4, 2023", "2023-12-04 00:00:00"),
        ("2023-13-01", "None"),
        (20231204, "None"),
    ],
)
def test_timestamps(text: Any, moment: str) -> None:
    assert str(parse_timestamp(text)) == moment


def test_recorded_calls_are_graded_without_state() -> None:
    env = gymnasium.make(ID, tasks=[row([create()])])
    task: Task = env.unwrapped.tasks[0]  # type: ignore[attr-defined]
    recorded = Episode(task, responses=[gym_llm.decode_action(action([SEARCH, create()]))])
    assert FinalState()(task, recorded).reward == 1.0
    assert replay(recorded.tool_calls).completed_calls == 2


def test_state_copies_pickles_and_shows_its_changes(office: Workplace) -> None:
    env = SessionState(gymnasium.make(ID))
    env.reset(seed=0)
    before = env.get_state()
    env.step(action([delete_event(24), send()]))
    paths = [path for path, _, _ in env.diff(before)]
    assert [p for p in paths if p.startswith(("state.events", "state.emails"))] == [
        path for path in paths if path not in ("turn", "state.completed_calls")
    ]
    state = env.unwrapped.episode.state  # type: ignore[attr-defined]
    for twin in (copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert twin.events.base is office.events.base
        assert twin.events.changes == state.events.changes
        assert twin.events.changes is not state.events.changes
    assert office.events.changes == {}


def test_rows_tools_limit_the_calls() -> None:
    params = {"input": "Do it.", "tools": [{"type": "function", "name": "email_search_emails"}]}
    task = {**row([create()]), "responses_create_params": params}
    env = gymnasium.make(ID, tasks=[task])
    _, info = env.reset(seed=0)
    assert [t["function"]["name"] for t in info["tools"]] == ["email_search_emails"]
    observation, *_, info = env.step(action([create(), SEARCH]))
    assert info["invalid_calls"] == 1
    assert "unknown tool 'calendar_create_event'" in observation


def test_other_placements_of_the_truth_are_read() -> None:
    truth = row([create()])["ground_truth"]
    nested = {"request": "Do it.", "verifier_metadata": {"ground_truth": truth, "category": "c"}}
    columns = {"problem": "Do it.", "solution": json.dumps(truth), "category": "c"}
    env = gymnasium.make(ID, tasks=[nested, columns])
    for task in env.unwrapped.tasks:  # type: ignore[attr-defined]
        assert task.row.truth == (ToolCall("calendar_create_event", json.dumps(create()[1])),)
        assert task.row.category == "c"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param({"request": "x"}, "ground_truth: Field required", id="no-truth"),
        pytest.param({"ground_truth": []}, "no prompt", id="no-prompt"),
        pytest.param(
            {**row([]), "ground_truth": [{"arguments": "{}"}]}, "name: Field required", id="name"
        ),
        pytest.param({"problem": "x", "solution": "do it"}, "solution: not a JSON list", id="solution"),
    ],
)
def test_bad_row_is_refused(bad: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        gymnasium.make(ID, tasks=[bad])


def test_long_truths_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    task = row([delete_event(number) for number in range(6)])
    with caplog.at_level(logging.WARNING):
        gymnasium.make(ID, tasks=[task], max_turns=7)
        assert not caplog.records
        gymnasium.make(ID, tasks=[task])
    assert "1 tasks have 6 or more actions" in caplog.text


def test_public_splits_need_their_tables() -> None:
    with pytest.raises(ConfigError, match="needs data_dir"):
        gymnasium.make(ID, tasks="train")


def test_numeric_equal_must_be_a_list() -> None:
    with pytest.raises(ConfigError, match="list of columns"):
        gymnasium.make(ID, numeric_equal="duration")


def copy_tables(folder: Path, without: str) -> None:
    for path in BUNDLED.glob("*.csv"):
        if path.name != without:
            (folder / path.name).write_bytes(path.read_bytes())


def test_own_tables_without_a_directory(tmp_path: Path) -> None:
    copy_tables(tmp_path, without="email_addresses.csv")
    office = Workplace.fresh(str(tmp_path))
    assert use(office, "company_directory_find_email_address", name="vuong") == [
        "clara.vuong@northwind.example"
    ]
    assert grade([create()], [create()], data_dir=str(tmp_path))[0] == 1.0


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        pytest.param("emails.csv", None, "emails.csv cannot be read", id="missing"),
        pytest.param("emails.csv", "id,text\n", "expected the columns email_id", id="other-columns"),
        pytest.param(
            "calendar_events.csv", "event_id,event_name,participant_email,event_start,duration\n1,2\n",
            "record 1: expected 5 cells", id="short-record",
        ),
    ],
)  # fmt: skip
def test_bad_table_is_refused(tmp_path: Path, file: str, text: str | None, reason: str) -> None:
    copy_tables(tmp_path, without=file)
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=reason):
        gymnasium.make(ID, data_dir=str(tmp_path))
