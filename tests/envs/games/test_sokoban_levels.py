"""Rooms are those of the original generator, and all of them can be solved."""

import pytest

from gym_llm.envs.games.sokoban import SYMBOLS
from gym_llm.envs.games.sokoban_levels import NoRoomError, _Generator, generate_board, impossible_size
from gym_llm.envs.games.sokoban_room import MOVES, Position, Room, read_board, shortest_solution


def text(seed: int, rows: int, columns: int, boxes: int = 1) -> str:
    board = generate_board(seed, rows, columns, boxes)
    return "/".join("".join(SYMBOLS[code] for code in row) for row in board)


@pytest.mark.parametrize(
    ("seed", "size", "board"),
    [
        pytest.param(42, (6, 6), "######/#PX_O#/#____#/######/######/######", id="42"),
        pytest.param(0, (6, 6), "######/#____#/##O_P#/###X_#/###__#/######", id="0"),
        pytest.param(2, (6, 6), "######/#_#__#/#_#__#/#_X_O#/#P___#/######", id="2"),
        pytest.param(1, (3, 9), "#########/#___OXP##/#########", id="corridor"),
        pytest.param(84810, (5, 5), "#####/#O__#/#_X_#/#_P_#/#####", id="recorded-5x5"),
        pytest.param(30450, (6, 6), "######/###P_#/##_X_#/#____#/#_O__#/######", id="recorded-6x6"),
    ],
)
def test_room_of_a_seed(seed: int, size: tuple[int, int], board: str) -> None:
    assert text(seed, *size) == board


@pytest.mark.parametrize("boxes", [1, 2, 3])
def test_rooms_can_be_solved(boxes: int) -> None:
    for seed in range(25):
        room, start = read_board(generate_board(seed, 7, 6, boxes))
        assert len(start[1]) == len(room.targets) == boxes
        assert shortest_solution(room, start)


def test_seed_that_fails_is_replaced_the_same_way_every_time() -> None:
    failing = []
    for seed in range(20):
        try:
            _Generator(seed, 5, 5, 2, 100).board()
        except NoRoomError:
            failing.append(seed)
    assert failing
    first = [text(seed, 5, 5, 2) for seed in failing]
    generate_board.cache_clear()
    assert first == [text(seed, 5, 5, 2) for seed in failing]


def test_smallest_possible_room() -> None:
    assert impossible_size(3, 5, 1) is None
    assert text(0, 3, 5) in {f"#####/#{line}#/#####" for line in ("OXP", "PXO")}


def test_shortest_solution_walks_as_little_as_it_can() -> None:
    room, start = read_board(generate_board(42, 6, 6, 1))
    assert shortest_solution(room, start) == [4, 4]
    assert shortest_solution(room, start, max_positions=0) is None


def breadth_first(room: Room, start: Position) -> int:
    seen, layer, depth = {start}, [start], 0
    while not any(room.is_solved(boxes) for _, boxes in layer):
        after = {room.after(position, move) for position in layer for move in MOVES}
        layer = [position for position in after if position is not None and position not in seen]
        seen.update(layer)
        depth += 1
    return depth


@pytest.mark.parametrize(("size", "boxes"), [((6, 6), 1), ((6, 5), 2), ((5, 7), 3)])
def test_shortest_solution_agrees_with_breadth_first_search(size: tuple[int, int], boxes: int) -> None:
    for seed in range(100, 112):
        room, start = read_board(generate_board(seed, *size, boxes))
        assert len(shortest_solution(room, start) or ()) == breadth_first(room, start)
