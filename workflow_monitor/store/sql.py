"""Named SQL statements, loaded from files.

A file holds sections that start with `-- name: some_name`. `{{other_name}}` inserts the text of another section.
`reading.sql` and `writing.sql` hold the statements shared by all stores, each package its dialect. Statements have no
other substitution: values are bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_SECTION = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def statements(*places: tuple[str, str], generated: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Load the statements of files by name, beside generated sections; raise ValueError for a duplicate name."""
    sections: dict[str, str] = dict(generated or {})
    for package, file_name in places:
        text = files(package).joinpath(file_name).read_text(encoding="utf-8")
        parts = _SECTION.split(text)[1:]
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in sections:
                raise ValueError(f"{package}/{file_name} has a second {name}")
            sections[name] = body.strip().removesuffix(";")

    def expanded(name: str) -> str:
        return _PLACE.sub(lambda place: expanded(place[1]), sections[name])

    return {name: expanded(name) for name in sections}
