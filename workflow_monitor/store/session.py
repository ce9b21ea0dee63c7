"""Read sessions of a database, as a reader uses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

#: documents per chunk: some megabytes
CHUNK = 5_000


class Session(Protocol):
    """What one reader asks; StoreUnavailable if the database or the machine fails meanwhile."""

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a statement."""

    def chunks(self, name: str, *values: object, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a statement, so many at once."""

    def numbers(self, name: str, *values: object) -> Sequence[int]:
        """The only column of a statement."""

    def table(self, name: str, *values: object) -> pa.Table:
        """The rows of a statement as columns."""


class SessionFactory(Protocol):
    """Gives readers sessions of their own; any thread may ask for one, also several at once."""

    def single(self) -> AbstractContextManager[Session]:
        """For one statement."""

    def snapshot(self) -> AbstractContextManager[Session]:
        """For several statements that see one committed state."""
