"""Decoder of the columnar format of footprints and lanes; `server/columnar.py` is the encoder."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt


def read_columns(body: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return metadata and one-dimensional arrays by name. Raises ValueError for another format."""
    import numpy as np  # noqa: PLC0415 - numpy loads on first use

    try:
        (length,) = struct.unpack_from("<I", body)
        metadata: dict[str, Any] = json.loads(body[4 : 4 + length])
        described = metadata.pop("columns")
        columns = {
            name: np.frombuffer(body, column["type"], column["length"], column["start"])
            for name, column in described.items()
        }
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError("these are no columns") from error
    return metadata, columns
