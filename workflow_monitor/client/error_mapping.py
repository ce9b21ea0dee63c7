"""Map error responses to exceptions: problem documents, pages of Jupyter and proxies, bare status codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from workflow_monitor.client.errors import (
    AccessDenied,
    AOIExists,
    AOINotFound,
    Conflict,
    InvalidInput,
    InvalidTransition,
    ItemNotFound,
    MonitorError,
    NotFound,
    RequestRejected,
    SceneExists,
    ServerError,
    UnexpectedResponse,
)
from workflow_monitor.client.hints import hint

_BY_CODE: dict[str, type[RequestRejected]] = {
    "aoi-not-found": AOINotFound,
    "scene-not-found": ItemNotFound,
    "tile-not-found": ItemNotFound,
    "aoi-exists": AOIExists,
    "scene-exists": SceneExists,
    "status-does-not-allow": InvalidTransition,
}
_BY_STATUS: dict[int, type[RequestRejected]] = {400: InvalidInput, 404: NotFound, 409: Conflict}
_HINTS = {
    404: "Is this address the base URL of a Jupyter server with the extension, or the root of a workflow server?",
    413: "The body of the request is too large for a proxy in front of the server. Raise the limit of the proxy (nginx: "
    "client_max_body_size 256m), or add fewer scenes per call.",
}

#: error code of a proxying server whose upstream denied access
UPSTREAM_DENIED = "upstream-denied"


def access_advice() -> str:
    """Return the advice for a rejected token."""
    return (
        f"The token is invalid or lacks the permission. Pass the token of this server: {hint('access')}. "
        "A running Jupyter server shows its own by `jupyter server list`."
    )


def error_from_response(
    status: int, media_type: str, body: bytes, address: str, *, is_page: bool, hide: Callable[[str], str]
) -> MonitorError:
    """Return the exception for an error response; `hide` replaces the token, which a server may echo."""
    problem = _hide_in(_problem(body), hide) if "json" in media_type or not is_page else {}
    body = hide(body.decode("utf-8", errors="replace")).encode()
    if status in (401, 403, 407):
        detail = _detail(problem, b"" if is_page else body)
        # The upstream has its own token; the caller's token is not at error.
        advice = "" if problem.get("code") == UPSTREAM_DENIED else f". {access_advice()}"
        return AccessDenied(f"{address} answered {status}{f' ({detail})' if detail else ''}{advice}")
    if is_page and status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return RequestRejected(f"{address} answered {status}. {_HINTS[status]}", status=status)
    if is_page:
        return UnexpectedResponse(
            f"{address} answered {status} with an HTML page: another program than a workflow "
            "server responds there, for example a proxy or a login page. Open the address in a browser."
        )
    code = str(problem.get("code") or "")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or ServerError
    detail = _detail(problem, body) or f"It answered {status} with an empty body."
    errors = [
        (str(error.get("field", "")), str(error.get("message", "")))
        for error in problem.get("errors") or []
        if isinstance(error, dict)
    ]
    lines = [detail, *(f"  {field or 'body'}: {message}" for field, message in errors[:20])]
    if not problem and status in _HINTS:
        lines.append(_HINTS[status])
    if kind is ServerError and status >= 500:
        lines.append(f"({address} answered {status}; see its log.)")
    text = "\n".join(lines)
    if kind is SceneExists:
        return SceneExists(text, status=status, code=code, errors=errors, ids=_ids(problem))
    return kind(text, status=status, code=code, errors=errors)


def _ids(problem: dict[str, Any]) -> dict[str, int]:
    ids = problem.get("ids")
    return {str(name): value for name, value in ids.items() if isinstance(value, int)} if isinstance(ids, dict) else {}


def _problem(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {"detail": value} if isinstance(value, str) else {}


def _hide_in(value: Any, hide: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON value
    """Apply `hide` to all texts of a JSON value."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, list):
        return [_hide_in(item, hide) for item in value]
    if isinstance(value, dict):
        return {hide(name): _hide_in(item, hide) for name, item in value.items()}
    return value


def _detail(problem: dict[str, Any], body: bytes) -> str:
    detail = problem.get("detail") or problem.get("message") or problem.get("title")
    if detail:
        return str(detail)[:2000]
    return body.decode("utf-8", errors="replace").strip()[:300]
