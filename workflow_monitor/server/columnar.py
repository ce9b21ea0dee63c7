"""Binary format for numeric columns, which browsers and NumPy read without copying.

The format consists of a little-endian 32-bit length, a JSON header of that length in bytes, and the columns. Each column
starts at a multiple of 8 bytes. The member `columns` of the header gives the `type` of each column (`uint8`, `uint16`,
`uint32`, `int32`, `float32`, `float64`), its offset `start` in bytes from the start of the body, and its number of
values, `length`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workflow_monitor.server.serialization import json_text

if TYPE_CHECKING:
    import numpy.typing as npt

_ALIGNMENT = 8
_UNSIGNED = ("uint8", "uint16", "uint32")


def packed(about: Mapping[str, object], columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Encode columns, with `about` as further members of the header.

    Integers have the smallest type for all values of the column, float64 beyond 32 bits.
    """
    smallest = {name: _smallest(column) for name, column in columns.items()}
    # The header contains offsets that depend on its own length, so reserve room for the longest offsets.
    room = _aligned(4 + len(_head(about, smallest, 10**15)))
    head = _head(about, smallest, room)
    parts = [struct.pack("<I", room - 4), head.ljust(room - 4)]
    for column in smallest.values():
        data = column.tobytes()
        parts.append(data.ljust(_aligned(len(data)), b"\0"))
    return b"".join(parts)


def _head(about: Mapping[str, object], columns: Mapping[str, npt.NDArray[Any]], start: int) -> bytes:
    described = {}
    for name, column in columns.items():
        described[name] = {"type": column.dtype.name, "start": start, "length": column.size}
        start += _aligned(column.nbytes)
    return json_text({**about, "columns": described}).encode()


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _smallest(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    import numpy as np  # noqa: PLC0415 - the server starts without it

    if column.dtype.kind == "f" or column.dtype == np.int32:
        return column
    low, high = (int(column.min()), int(column.max())) if column.size else (0, 0)
    if low < 0:
        return column.astype(np.int32 if low >= -(2**31) and high < 2**31 else np.float64)
    return column.astype(next((name for name in _UNSIGNED if high <= np.iinfo(name).max), "float64"))
