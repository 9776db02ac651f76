"""Office work. The two records were made without the truth; it follows from their requests."""

import dataclasses

from tests.conformance.harness import PEER_DATA, Case, Record, Replay

TRUTHS = [
    # "since November 30", which is the episode's day: a plot of that one day.
    [
        {
            "name": "analytics_create_plot",
            "arguments": {
                "time_min": "2023-11-30",
                "time_max": "2023-11-30",
                "value_to_plot": "total_visits",
                "plot_type": "bar",
            },
        }
    ],
    # No customer with a consulting proposal has been silent for three weeks: nothing to do.
    [],
]


def with_truth(record: Record, replay: Replay) -> Replay:
    """Add the truth that the recorded request asks for."""
    return dataclasses.replace(replay, row={**replay.row, "ground_truth": TRUTHS[record["line"]]})


CASES = [
    Case(
        "gym_llm/WorkplaceAssistant-v0",
        "workplace_assistant",
        ("workplace_assistant__example",),
        kwargs={"data_dir": str(PEER_DATA / "workplace_assistant")},
        prepare=with_truth,
    )
]
