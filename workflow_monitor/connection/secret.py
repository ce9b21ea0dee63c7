"""Tokens that are never displayed."""

from __future__ import annotations

import hmac
import html
import json
from urllib.parse import quote

from workflow_monitor.connection.errors import MonitorError

HIDDEN = "•••"


class Secret:
    """A token; only `reveal` returns its text. Raises MonitorError for text that cannot be a token."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        stripped = text.strip()
        if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
            # HTTP libraries would quote the token in their own error.
            raise MonitorError(
                "The token contains characters that are not allowed in a token. Check the copied text and remove the rest."
            )
        self._text = stripped

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __reduce__(self) -> str:
        raise TypeError("a token is not pickled")

    def reveal(self) -> str:
        """Return the text of the token."""
        return self._text

    def hide(self, text: str) -> str:
        """Replace the token in a text, also in the encodings of URLs, HTML and JSON.

        >>> Secret("s3cret").hide("header 'token s3cret' refused")
        "header 'token •••' refused"
        """
        for form in self._forms():
            text = text.replace(form, HIDDEN)
        return text

    def hide_bytes(self, text: bytes) -> bytes:
        """Replace the token in encoded text; see `hide`."""
        for form in self._forms():
            text = text.replace(form.encode(), HIDDEN.encode())
        return text

    def _forms(self) -> list[str]:
        text = self._text
        forms = {text, quote(text), quote(text, safe=""), html.escape(text), json.dumps(text)[1:-1]}
        return sorted(forms - {""}, key=len, reverse=True)
