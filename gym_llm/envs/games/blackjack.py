"""Blackjack: one hand against a dealer who follows fixed rules (a game of a few turns)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
import pydantic
from numpy.typing import NDArray

from gym_llm.core.game_env import GameEnv
from gym_llm.core.text_env import Turn
from gym_llm.envs.games.drawing import cards_on_table
from gym_llm.envs.games.moves import spoken, tag, tagged
from gym_llm.errors import ConfigError
from gym_llm.messages import AssistantMessage, Message
from gym_llm.scores import Score, number, task_mean
from gym_llm.tasks import RawRow, Row

RANKS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A")
Rank = Literal["2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A"]
VALUES = {rank: 11 if rank == "A" else int(rank) if rank.isdecimal() else 10 for rank in RANKS}

MOST_CARDS = 40
"""More than one hand can use: the player busts with 22 cards at the latest, the dealer stops before."""

Invalid = Literal["stand", "penalty"]
RESULTS = ("win", "draw", "loss", "bust")


class BlackjackRow(Row):
    """Where the cards come from; without ``seed`` and ``deck`` they come from the environment's seed."""

    needs_prompt = False

    seed: Annotated[int, pydantic.Field(ge=0)] | None = None
    deck: Annotated[list[Rank], pydantic.Field(max_length=MOST_CARDS)] = []
    """The first cards: two for the player, two for the dealer, then those drawn."""

    @pydantic.field_validator("deck", mode="before")
    @classmethod
    def _numbers_are_ranks(cls, deck: Any) -> Any:
        return [str(card) for card in deck] if isinstance(deck, list) else deck

    def default_prompt(self) -> list[Message]:
        """Return the rules."""
        rules = (
            "Play one hand of blackjack. Come as near to 21 as you can without going over it, and beat "
            "the dealer, who draws up to 16 and stands on 17 or more. Jacks, queens and kings count 10, "
            "an ace 11, or 1 where 11 would be too much. In each turn think as briefly as you can, then "
            f"take a card with {tag('hit')} or keep your hand with {tag('stand')}."
        )
        return [{"role": "system", "content": rules}]


def value(cards: list[str]) -> int:
    """Return what a hand counts; aces go from 11 to 1 while the hand is over 21.

    >>> value(["A", "K", "5"])
    16
    """
    total = sum(VALUES[card] for card in cards)
    for _ in range(cards.count("A")):
        if total > 21:
            total -= 10
    return total


def show(cards: list[str]) -> str:
    """Return a hand as ``[10, A]``."""
    return f"[{', '.join(cards)}]"


@dataclass
class Hand:
    """The state of a hand."""

    deck: list[str]
    """Cards to come, the next one last."""
    player: list[str] = field(default_factory=list)
    dealer: list[str] = field(default_factory=list)
    result: str | None = None
    """``win``, ``draw``, ``loss``, ``bust`` or ``invalid``; None while the hand is played."""
    invalid_action: bool = False
    """Whether a turn so far had no valid action."""


def stand(hand: Hand) -> str:
    """Let the dealer play, and return who wins for the player."""
    while value(hand.dealer) < 17:
        hand.dealer.append(hand.deck.pop())
    mine, theirs = value(hand.player), value(hand.dealer)
    if theirs > 21 or mine > theirs:
        return "win"
    return "draw" if mine == theirs else "loss"


def _ended_as(result: str) -> Callable[[Score], float]:
    return lambda score: float(score.fields.get("result") == result)


def table(hand: Hand) -> list[tuple[str, list[str], str]]:
    """Return name, cards and count of each side, as far as the player may see them."""
    over = hand.result is not None
    dealer = (hand.dealer, f" = {value(hand.dealer)}") if over else ([hand.dealer[0], "?"], "")
    return [("Dealer", *dealer), ("Player", hand.player, f" = {value(hand.player)}")]


def generate_task(index: int) -> RawRow:
    """Return the row of hand ``index``."""
    return {"seed": index}


class BlackjackEnv(GameEnv):
    """Play one hand of blackjack with ``hit`` and ``stand``.

    ## Description
    Cards come from an endless deck: each is one of 13 ranks with equal chance. Player and dealer get two
    cards; one of the dealer's is shown. The dealer draws below 17 and stands on any 17. There is no
    bonus for a natural, no doubling and no splitting. One hand says little about a player (the best
    players lose slightly): compare players on the same seeds and on thousands of hands.
    ## Observation
    ``str``: the row's prompt or the rules; then, at reset and after each card that leaves the hand
    alive, the player's cards with their value, the dealer's open card and the two actions. Empty at the
    end.
    ## Action
    ``str``: the assistant's text; the first ``<action>hit</action>`` or ``<action>stand</action>`` (in
    any case, blanks inside the tag allowed) outside ``<think>`` counts. Hitting on 21 is allowed.
    ## Reward
    0.0 while the hand goes on, -1.0 for a bust, and after ``stand`` 1.0 for more than the dealer or a
    dealer's bust, 0.0 for a draw, -1.0 for less. ``info["rewards"]`` has ``score``, the return.
    ``info["verification"].fields``: ``result`` (``win``, ``draw``, ``loss``, ``bust``, ``invalid`` or,
    in an unfinished hand, None), ``player``, ``player_value``, ``dealer``, ``dealer_value``,
    ``invalid_action``; at the end of a hand ``info`` has the first five too, and ``info`` of every step
    has ``invalid_action``: the text had no valid action. After a bust the dealer's hand is not reported,
    and ``player_value`` is called ``value``.

    Differs from NeMo Gym: tags inside ``<think>`` are not played, invalid turns are reported, and hands
    can be repeated by seed.
    ## Episode end
    Terminates after a bust or ``stand``; truncated, with return 0.0, after 12 turns without either.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``invalid`` (str): text
    without a valid action counts as ``"stand"`` (default) or loses the hand, ``"penalty"``.
    ``max_turns`` (int, default 12; NeMo Gym's agent stops after 5).
    ## Data and licence
    Rows may have ``seed`` or ``deck`` (a list of ranks). ``tasks="generated"`` has a hand for each
    number. The bundled hands are gym_llm's own (Apache 2.0), chosen so that standing at once loses and
    the reference wins: they test programs, not players.
    ## Version history
    - v0: first version.
    """

    row_model = BlackjackRow
    data = "blackjack"
    generate = staticmethod(generate_task)
    max_turns = 12
    key_map: ClassVar = {"h": tag("hit"), "s": tag("stand")}

    def __init__(self, invalid: Invalid = "stand", **kwargs: Any) -> None:
        if invalid not in get_args(Invalid):
            raise ConfigError(f"invalid must be 'stand' or 'penalty', got {invalid!r}")
        super().__init__(**kwargs)
        self.invalid = invalid

    def new_game(self) -> Hand:
        """Deal two cards each."""
        row = self.episode.task.row
        rng = self.np_random if row.seed is None else np.random.default_rng(row.seed)
        drawn = [RANKS[i] for i in rng.integers(len(RANKS), size=MOST_CARDS).tolist()]
        deck = [*row.deck, *drawn][::-1]
        player, dealer = [deck.pop(), deck.pop()], [deck.pop(), deck.pop()]
        return Hand(deck, player, dealer)

    def observe(self) -> str:
        """Return what the player may see, and the actions."""
        hand: Hand = self.episode.state
        return (
            f"Your cards: {show(hand.player)} = {value(hand.player)}\n"
            f"The dealer's open card: {hand.dealer[0]}\n"
            f"Answer with {tag('hit')} or {tag('stand')}."
        )

    def play(self, message: AssistantMessage) -> Turn:
        """Hit or stand."""
        hand: Hand = self.episode.state
        action = next((a for a in tagged(spoken(message.content)) if a in ("hit", "stand")), None)
        hand.invalid_action |= action is None
        if action == "hit":
            hand.player.append(hand.deck.pop())
            if value(hand.player) > 21:
                hand.result = "bust"
        elif action is None and self.invalid == "penalty":
            hand.result = "invalid"
        else:
            hand.result = stand(hand)
        info = {"invalid_action": action is None, **(self._report() if hand.result else {})}
        reward = {None: 0.0, "win": 1.0, "draw": 0.0}.get(hand.result, -1.0)
        return Turn(reward=reward, terminated=hand.result is not None, info=info)

    def outcome(self) -> dict[str, Any]:
        """Return result, hands and whether a turn was invalid."""
        return {**self._report(), "invalid_action": self.episode.state.invalid_action}

    def _report(self) -> dict[str, Any]:
        hand: Hand = self.episode.state
        player = {"result": hand.result, "player": show(hand.player)}
        if hand.result == "bust":
            return {**player, "value": value(hand.player)}
        dealer = {"dealer": show(hand.dealer), "dealer_value": value(hand.dealer)}
        return {**player, "player_value": value(hand.player), **dealer}

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the share of each result, and of hands with an invalid turn."""
        return {
            **{result: task_mean(scores, _ended_as(result)) for result in RESULTS},
            "invalid_action": task_mean(scores, number("invalid_action")),
        }

    def board(self) -> str:
        """Return both hands, and the result; the dealer's second card is ``?`` until the end."""
        hand: Hand = self.episode.state
        lines = [f"{who}: {show(cards)}{count}" for who, cards, count in table(hand)]
        return "\n".join([*lines, hand.result] if hand.result else lines)

    def draw(self) -> NDArray[np.uint8]:
        """Return the table as a picture of shape (400, 600, 3)."""
        hand: Hand = self.episode.state
        return cards_on_table(table(hand), hand.result)
