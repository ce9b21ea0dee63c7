"""Tokens that do not show themselves, and addresses without them."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs, urlsplit, urlunsplit

from workflow_monitor.client.errors import MonitorError

HIDDEN = "•••"
#: Where the pages of a Jupyter server begin, below its base URL.
_PAGES = ("lab", "tree", "notebooks", "doc", "edit", "consoles", "terminals", "api", "hub")


class Secret:
    """A token; only `reveal` shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        stripped = text.strip()
        if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
            # Said here, because HTTP libraries would quote it.
            raise MonitorError("The token has characters that no token has; was something else pasted with it?")
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
        """The token itself."""
        return self._text

    def hide(self, text: str) -> str:
        """A text without the token.

        >>> Secret("s3cret").hide("header 'token s3cret' refused")
        "header 'token •••' refused"
        """
        return text.replace(self._text, HIDDEN) if self._text else text


def split_address(url: str) -> tuple[str, Secret | None]:
    """The base URL of what a person pasted, and the token that was in it.

    >>> split_address("http://localhost:8888/user/eva/lab/tree/a.ipynb?token=abc")
    ('http://localhost:8888/user/eva/', Secret('•••'))
    >>> split_address("localhost:8080")
    ('http://localhost:8080/', None)
    """
    parts = urlsplit(url.strip() if "://" in url else f"http://{url.strip()}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MonitorError("The address of a workflow server begins with http:// or https://, and names a host.")
    if parts.username or parts.password:
        raise MonitorError("Leave user and password out of the address, and give the token as `token=…`.")
    segments = [segment for segment in parts.path.split("/") if segment]
    found = next((index for index, segment in enumerate(segments) if _is_page(segments, index)), len(segments))
    path = "/".join(["", *segments[:found], ""])
    tokens = parse_qs(parts.query).get("token")
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), Secret(tokens[0]) if tokens else None


def _is_page(segments: list[str], index: int) -> bool:
    # A user may be called "lab": /user/lab/ is no page.
    return segments[index] in _PAGES and (index == 0 or segments[index - 1] != "user")
