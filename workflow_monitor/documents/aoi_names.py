"""Names of AOIs: their normal form, and the validation of new names."""

from __future__ import annotations

import unicodedata

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits


def normalize_aoi_name(name: str) -> str:
    """Return a name or pattern in Unicode's form NFC, without white space at its ends.

    Keyboards and file systems write the same letters in different forms, which would be different AOIs.

    >>> normalize_aoi_name(" A\u030arhus ")
    'Århus'
    """
    return unicodedata.normalize("NFC", name).strip()


def check_aoi_name(name: str, limits: Limits = DEFAULTS) -> None:
    """Raise InvalidInput for a text that cannot be the normal form of the name of a new AOI.

    Spaces, quotes, slashes, line breaks and all scripts are allowed.

    >>> check_aoi_name("Århus / 2022")
    """
    problem = _problem_of_name(name, limits)
    if problem:
        raise InvalidInput(
            f"{shorten_for_message(name)} cannot be the name of an AOI: it {problem}.", [FieldError("aoi", problem)]
        )


def _problem_of_name(name: str, limits: Limits) -> str | None:
    if len(name) > limits.max_name_length:
        return f"has {len(name)} characters; expected at most {limits.max_name_length} (max_name_length)"
    if "*" in name or "?" in name:
        return "has * or ?, which stand for any text and any character in patterns"
    if name in (".", ".."):
        return "is a step in a path, which browsers take out of addresses"
    if "\0" in name:
        return "has a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "is not valid Unicode: it has half a surrogate pair"
    # Separators, control and format characters, such as zero-width spaces
    if all(unicodedata.category(character)[0] in "ZC" for character in name):
        return "is blank" if name else "is empty"
    return None
