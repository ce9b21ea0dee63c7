"""Result of adding scenes to an AOI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from workflow_monitor.client.errors import MonitorError

#: treatment of scenes that the AOI already has
Existing = Literal["refuse", "skip"]
#: treatment of invalid scenes
Invalid = Literal["refuse", "skip"]
#: limit on the ids in the display
SHOWN = 5


class AddedScenes(dict[str, int]):
    """Ids of the added scenes by source id.

    `existing` has the ids of the skipped scenes, which the AOI already had; `invalid` the skipped invalid scenes as pairs of
    source id (or place in the input) and reason.
    """

    def __init__(
        self, added: Mapping[str, int], existing: Mapping[str, int], invalid: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(added)
        self.existing = dict(existing)
        self.invalid = list(invalid)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401 - IPython's own
        skipped = f", {len(self.existing):,} existing skipped" if self.existing else ""
        first = f": {dict(list(self.items())[:SHOWN])}" if self and not cycle else ""
        printer.text(f"{len(self):,} scenes added{skipped}{first[:-1] + ', …}' if len(self) > SHOWN else first}")


def check_option(name: str, value: str) -> None:
    """Raise MonitorError unless the option `existing` or `invalid` is "refuse" or "skip"."""
    if value not in get_args(Existing):
        raise MonitorError(f'{name}={value!r} is not an option; pass {name}="skip" or {name}="refuse".')
