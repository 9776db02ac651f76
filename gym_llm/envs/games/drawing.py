"""Boards as pictures: one square tile for each cell."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)


def tile(pixels: int, fill: Colour, outline: Colour | None = None) -> NDArray[np.uint8]:
    """Return a square of one colour, with an outline of an eighth of its side where one is given."""
    square = np.full((pixels, pixels, 3), fill if outline is None else outline, np.uint8)
    edge = 0 if outline is None else max(1, pixels // 8)
    square[edge : pixels - edge, edge : pixels - edge] = fill
    return square


def mosaic(codes: Sequence[Sequence[int]], tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture of a board.

    Args:
        codes: a code for each cell, by rows.
        tiles: the tile of each code, of shape (codes, pixels, pixels, 3).

    Returns:
        An array of shape (rows * pixels, columns * pixels, 3).
    """
    rows, columns, pixels = len(codes), len(codes[0]), tiles.shape[1]
    cells: NDArray[np.uint8] = tiles[np.asarray(codes)]  # (rows, columns, pixels, pixels, 3)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * pixels, columns * pixels, 3)


def cards_on_table(
    sides: Sequence[tuple[str, Sequence[str], str]], banner: str | None
) -> NDArray[np.uint8]:
    """Return a green table with a row of cards for each side.

    Args:
        sides: two of: a name, the ranks of its cards, what they count.
        banner: text across the middle.

    Returns:
        An array of shape (400, 600, 3).
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (600, 400), (0, 96, 48))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(24)
    for top, (name, ranks, count) in zip((15, 225), sides, strict=True):
        pen.text((20, top), name + count, (255, 255, 255), font)
        # Many cards overlap, so that the last one ends at the right edge.
        step = min(90, 480 // max(1, len(ranks) - 1))
        for i, rank in enumerate(ranks):
            left = 20 + i * step
            pen.rectangle((left, top + 35, left + 80, top + 145), (255, 255, 255), BLACK)
            pen.text((left + 10, top + 45), rank, BLACK, font)
    if banner:
        pen.text((300, 195), banner.upper(), (255, 220, 0), ImageFont.load_default(36), anchor="mm")
    return np.array(picture, np.uint8)
