"""BasicStrategy: the best way to hit and stand in blackjack, known since the 1950s."""

import re
from typing import Any

from gym_llm.envs.games.blackjack import VALUES
from gym_llm.envs.games.moves import tag

_HAND = re.compile(r"\[([^\[\]]{0,200})\] = (\d{1,2})\b")
_OPEN_CARD = re.compile(r"open card: (\w{1,2})")


def should_hit(cards: list[str], total: int, dealer: int) -> bool:
    """Say whether to take a card.

    Args:
        cards: ranks of the player's cards.
        total: what they count.
        dealer: what the dealer's open card counts, 11 for an ace.
    """
    # A hand is soft if one of its aces counts 11.
    if sum(1 if card == "A" else VALUES[card] for card in cards) < total:
        return total <= 17 or (total == 18 and dealer >= 9)
    if total == 12:
        return not 4 <= dealer <= 6
    return total <= 11 or (total <= 16 and dealer >= 7)


class BasicStrategy:
    """Plays `gym_llm.envs.games.blackjack` from what it is shown."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return hit or stand; stand where the hand cannot be read."""
        hand, dealer = _HAND.search(observation), _OPEN_CARD.search(observation)
        if hand is None or dealer is None:
            return tag("stand")
        cards = [card for card in hand[1].split(", ") if card in VALUES]
        hits = should_hit(cards, int(hand[2]), VALUES.get(dealer[1], 10))
        return tag("hit" if hits else "stand")
