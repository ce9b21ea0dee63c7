"""Memory for the bodies of concurrent requests."""

from __future__ import annotations

#: bytes; smaller bodies are not counted, so that workers report while large bodies arrive
SMALL_BODY = 64 * 1024


class BodyBudget:
    """Bytes of all bodies above SMALL_BODY that are in memory. Used by the event loop only.

    A single body always fits, whatever its size: the endpoint limits it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def resize(self, held: int, size: int) -> int | None:
        """Replace a reservation of `held` bytes by one for a body of `size` bytes; None, without a change, beyond the limit."""
        needed = size if size > SMALL_BODY else 0
        others = self.used - held
        if others and others + needed > self.limit and needed > held:
            return None
        self.used = others + needed
        return needed
