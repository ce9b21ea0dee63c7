"""Columns as the server gives them to those who draw; see its `server/columns.py`."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

MEDIA_TYPE = "application/vnd.workflow-monitor.columns"


def read_columns(body: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What is told of the columns, and the columns by name. Raises ValueError for anything else."""
    import numpy as np  # noqa: PLC0415 - what draws nothing should not wait for it

    try:
        (length,) = struct.unpack_from("<I", body)
        about: dict[str, Any] = json.loads(body[4 : 4 + length])
        described = about.pop("columns")
        columns = {
            name: np.frombuffer(body, column["type"], column["length"], column["start"])
            for name, column in described.items()
        }
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError("these are no columns") from error
    return about, columns
