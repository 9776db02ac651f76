"""How long to wait before a request is repeated, and how many may be."""

import random

MAX_DELAY_S = 60.0
"""Longest wait before a retry, whatever the server asks for."""

START_BALANCE = 100.0
"""Retries that are free at first, so that small runs are not limited."""

# Jitter must not touch the generator that a training script seeds.
_jitter = random.SystemRandom()


class RetryBudget:
    """Retries as a share of all requests, so that they cannot keep an overloaded server down.

    Each call pays in ``ratio``, each retry costs 1. The idea is that of the retry budgets of Google's
    SRE book (chapter "Handling Overload") and of gRPC's retry throttling.

    >>> budget = RetryBudget(0.5, balance=0.0)
    >>> budget.deposit(); budget.deposit()
    >>> budget.take(), budget.take()
    (True, False)
    """

    def __init__(self, ratio: float, balance: float = START_BALANCE) -> None:
        self.ratio, self.balance = ratio, balance

    def deposit(self) -> None:
        """Count a call."""
        self.balance += self.ratio

    def take(self) -> bool:
        """Pay for a retry; False when the budget is used up."""
        if self.balance < 1.0:
            return False
        self.balance -= 1.0
        return True


def delay_s(attempt: int, first_s: float, asked_s: float | None) -> float:
    """Return the seconds to wait after a failed attempt.

    Args:
        attempt: number of the attempt, from 0; the wait doubles with each.
        first_s: the wait after the first.
        asked_s: what the server asks for, which goes before.
    """
    if asked_s is None:
        return min(MAX_DELAY_S, first_s * 2.0 ** min(attempt, 60)) * _jitter.uniform(0.5, 1.0)
    # A little more, so that all who were told the same do not come back together.
    return min(asked_s, MAX_DELAY_S) * _jitter.uniform(1.0, 1.1)
