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
    """Connection of one reader; raises StoreUnavailable if the database or the machine fails."""

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""

    def chunks(self, name: str, *values: object, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a statement in lists of `size`."""

    def numbers(self, name: str, *values: object) -> Sequence[int]:
        """Return the only column of a statement."""

    def table(self, name: str, *values: object) -> pa.Table:
        """Return the result of a statement as an Arrow table."""


class SessionFactory(Protocol):
    """Opens a session for each reader; thread-safe."""

    def single(self) -> AbstractContextManager[Session]:
        """Open a session for one statement."""

    def snapshot(self) -> AbstractContextManager[Session]:
        """Open a session for several statements on one committed state."""
