"""Website analytics: visits by day, and plots of them."""

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from gym_llm.envs.agent.workplace.fields import Day, Text
from gym_llm.envs.agent.workplace.state import Workplace
from gym_llm.envs.agent.workplace.tables import Record

PlotValue = Literal[
    "total_visits",
    "session_duration_seconds",
    "user_engaged",
    "visits_direct",
    "visits_referral",
    "visits_search_engine",
    "visits_social_media",
]
PlotType = Literal["bar", "line", "scatter", "histogram"]
TrafficSource = Literal["direct", "referral", "search engine", "social media"]


def get_visitor_information_by_id(state: Workplace, visitor_id: Text) -> list[Record] | str:
    """List the visits of one visitor."""
    return [v for v in state.visits if v["visitor_id"] == visitor_id] or "No visits found."


def create_plot(
    state: Workplace, time_min: Text, time_max: Text, value_to_plot: PlotValue, plot_type: PlotType
) -> str:
    """Plot a value by day, from time_min to time_max (YYYY-MM-DD); the result is the plot's path."""
    path = f"plots/{time_min}_{time_max}_{value_to_plot}_{plot_type}.png"
    state.plots.add({"file_path": path})
    return path


def total_visits_count(
    state: Workplace, time_min: Day | None = None, time_max: Day | None = None
) -> dict[str, float]:
    """Count the visits of each day."""
    return _by_day(state, time_min, time_max, len)


def engaged_users_count(
    state: Workplace, time_min: Day | None = None, time_max: Day | None = None
) -> dict[str, float]:
    """Count the engaged users of each day."""
    return _by_day(state, time_min, time_max, lambda visits: sum(v["user_engaged"] for v in visits))


def traffic_source_count(
    state: Workplace,
    time_min: Day | None = None,
    time_max: Day | None = None,
    traffic_source: TrafficSource | None = None,
) -> dict[str, float]:
    """Count the visits of each day that came from one traffic source, or from any."""
    return _by_day(
        state,
        time_min,
        time_max,
        lambda visits: sum(traffic_source in (None, v["traffic_source"]) for v in visits),
    )


def get_average_session_duration(
    state: Workplace, time_min: Day | None = None, time_max: Day | None = None
) -> dict[str, float]:
    """Average the length of the sessions of each day, in seconds."""
    return _by_day(
        state,
        time_min,
        time_max,
        lambda visits: sum(float(v["session_duration_seconds"]) for v in visits) / len(visits),
    )


def _by_day(
    state: Workplace,
    time_min: str | None,
    time_max: str | None,
    value: Callable[[list[Record]], float],
) -> dict[str, float]:
    days: dict[str, list[Record]] = defaultdict(list)
    for visit in state.visits:
        days[visit["date_of_visit"]].append(visit)
    # Dates compare as texts, both ends included.
    return {
        day: value(visits)
        for day, visits in sorted(days.items())
        if (not time_min or day >= time_min) and (not time_max or day <= time_max)
    }


TOOLS = (
    get_visitor_information_by_id,
    create_plot,
    total_visits_count,
    engaged_users_count,
    traffic_source_count,
    get_average_session_duration,
)
