"""Limits of incoming documents; an error names the limit that a document exceeds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one document; traits of the same names set them."""

    #: nesting depth of objects and lists in JSON
    max_json_depth: int = 32
    #: values of a JSON text, counted as its commas, colons and opening brackets
    max_json_values: int = 10_000_000
    #: characters of the name of an AOI, a scene or a tile
    max_name_length: int = 1_000
    #: positions of a footprint
    max_positions: int = 100_000
    #: bytes of the data of a scene or a tile, as they are stored
    max_data_length: int = 4 * 2**20
    #: characters of the message of a result; longer messages are truncated, so that the report succeeds
    max_message_length: int = 20_000


DEFAULTS = Limits()
