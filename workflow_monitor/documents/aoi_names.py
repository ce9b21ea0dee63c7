"""Validation of names of new AOIs."""

from __future__ import annotations

from workflow_monitor.documents.scene_documents import (
    too_long,
)
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits


def check_aoi_name(name: str, limits: Limits = DEFAULTS) -> None:
    """Raise InvalidInput for a text that cannot be the name of a new AOI.

    Spaces, quotes, slashes, line breaks and all scripts are allowed.

    >>> check_aoi_name("Århus / 2022")
    """
    problem = _problem_of_name(name, limits)
    if problem:
        raise InvalidInput(
            f"{shorten_for_message(name)} cannot be the name of an AOI: it {problem}.", [FieldError("aoi", problem)]
        )


def _problem_of_name(name: str, limits: Limits) -> str | None:
    if not name:
        return "is empty"
    if len(name) > limits.max_name_length:
        return too_long(name, limits)
    if "*" in name or "?" in name:
        return "has * or ?, which stand for any text and any character in patterns"
    if name in (".", ".."):
        return "is a step in a path, which browsers take out of addresses"
    if "\0" in name:
        return "has a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "is not valid Unicode: it has half a surrogate pair"
    return None
