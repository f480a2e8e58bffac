"""Cells of the map, by geohash too: a pure reckoning in whole numbers, so that it is the same on every machine."""

__all__ = ["neighbours", "touching"]

_DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"


def neighbours(cell: str) -> tuple[str, ...]:
    """The eight cells of the same size around this one; fewer at a pole. East of the last column is the first."""
    bits = sum(_DIGITS.index(digit) << 5 * at for at, digit in enumerate(reversed(cell)))
    total = 5 * len(cell)
    even = total % 2 == 0  # longitude and latitude take the bits in turn, longitude the highest
    columns, rows = (total + 1) // 2, total // 2
    column = sum((bits >> 2 * at + even & 1) << at for at in range(columns))
    row = sum((bits >> 2 * at + (not even) & 1) << at for at in range(rows))
    return tuple(_cell(east, north, total) for east, north in touching(column, row, 1 << columns, 1 << rows))


def touching(column: int, row: int, columns: int, rows: int) -> tuple[tuple[int, int], ...]:
    """The cells around this one of a grid over the earth, as column and row; fewer in the first and the last row."""
    around = [(column + east, row + north) for north in (-1, 0, 1) for east in (-1, 0, 1) if east or north]
    return tuple((east % columns, north) for east, north in around if 0 <= north < rows)


def _cell(column: int, row: int, total: int) -> str:
    even = total % 2 == 0
    bits = sum((column >> at & 1) << 2 * at + even | (row >> at & 1) << 2 * at + (not even) for at in range(total))
    return "".join(_DIGITS[bits >> at & 31] for at in range(total - 5, -1, -5))
