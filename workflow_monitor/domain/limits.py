"""How much a document may hold that comes in; what is beyond a limit is refused with an error that names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits, named as the traits that set them."""

    #: how deep objects and lists may be nested in JSON
    max_json_depth: int = 32
    #: how many values a JSON text may have, counted as its commas, colons and opening brackets
    max_json_values: int = 20_000_000
    #: characters of the name of an AOI, a scene or a tile
    max_name_length: int = 1_000
    #: positions of a footprint
    max_positions: int = 100_000
    #: characters of the message of a result; what is more is cut off, as a report must not fail for it
    max_message_length: int = 20_000


DEFAULTS = Limits()
