"""Content negotiation: the representation of a response, chosen by `?format=` or the Accept header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workflow_monitor.documents.media_types import ARROW, DOT, GEOJSON, JSON, NDJSON, SVG, TEXT
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message


@dataclass(frozen=True, slots=True)
class Representation:
    """Representation of a response; `name` is its value in `?format=`."""

    name: str
    media_type: str


AS_TEXT = Representation("text", TEXT)
AS_JSON = Representation("json", JSON)
AS_NDJSON = Representation("ndjson", NDJSON)
AS_GEOJSON = Representation("geojson", GEOJSON)
AS_ARROW = Representation("arrow", ARROW)
AS_DOT = Representation("dot", DOT)
AS_SVG = Representation("svg", SVG)


def negotiate(accept: str, asked: str | None, offers: Sequence[Representation]) -> Representation:
    """Return the representation named by `asked`, else the best match of an Accept header, else the first offer.

    >>> negotiate("application/json", None, (AS_TEXT, AS_JSON)).name
    'json'
    >>> negotiate("text/html, */*;q=0.8", None, (AS_TEXT, AS_JSON)).name
    'text'
    """
    if asked is not None:
        return _by_name(asked, offers)
    ranges = _media_ranges(accept)
    best, best_rank = offers[0], (0.0, 0, 0)
    for offer in offers:
        rank = _rank(offer.media_type.partition(";")[0], ranges)
        if rank > best_rank:
            best, best_rank = offer, rank
    return best


def asks_for_json(accept: str) -> bool:
    """Return True if an Accept header names a JSON media type; `*/*` and an absent header do not.

    >>> asks_for_json("application/problem+json"), asks_for_json("text/html, */*"), asks_for_json("")
    (True, False, False)
    """
    return any(
        quality > 0 and (media_range == "application/*" or media_range.endswith("json"))
        for media_range, quality in _media_ranges(accept)
    )


def _by_name(asked: str, offers: Sequence[Representation]) -> Representation:
    for offer in offers:
        if asked.lower() == offer.name:
            return offer
    expected = ", ".join(offer.name for offer in offers)
    raise InvalidInput(
        f"This endpoint has no format {shorten_for_message(asked)}.",
        [FieldError("format", f"found {shorten_for_message(asked)}, expected one of {expected}")],
    )


def _media_ranges(accept: str) -> list[tuple[str, float]]:
    ranges = []
    for part in accept[:2000].lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if found := re.fullmatch(r"q=([01](?:\.\d{0,3})?)", parameter):
                quality = float(found[1])
        ranges.append((media_range, quality))
    return ranges


def _rank(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """Return the rank of a media type: quality, specificity, then order in the header."""
    rank = (0.0, 0, 0)
    for position, (media_range, quality) in enumerate(ranges):
        specificity = _specificity(media_range, media_type)
        if specificity > rank[1]:
            rank = (quality, specificity, -position)
    return rank


def _specificity(media_range: str, media_type: str) -> int:
    if media_range == media_type:
        return 3
    if media_range == media_type.partition("/")[0] + "/*":
        return 2
    return 1 if media_range == "*/*" else 0
