"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import http
from collections.abc import Sequence

from tornado import web

from workflow_monitor.domain.errors import (
    InvalidInput,
    WorkflowError,
)

DETAIL_LENGTH = 400


class PathNotFound(WorkflowError):
    """No endpoint has this path."""

    status = 404
    code = "path-not-found"
    title = "There is no such endpoint"

    def __init__(self) -> None:
        super().__init__("No endpoint has this path. /docs lists them all.")


class MethodNotAllowed(WorkflowError):
    """The endpoint does not know this method."""

    status = 405
    code = "method-not-allowed"
    title = "The endpoint does not know this method"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This endpoint knows {', '.join(allowed)}.")


class NotAllowed(WorkflowError):
    """Jupyter does not let this caller do this."""

    status = 403
    code = "not-allowed"
    title = "Jupyter does not allow this"


class NotForWorkers(NotAllowed):
    """The token of workers was sent for something that workers do not do."""

    code = "not-for-workers"
    title = "The token of workers does not allow this"

    def __init__(self) -> None:
        super().__init__("The token of workers leases jobs, renews leases and reports results, and does nothing else.")


class IdentityUnavailable(WorkflowError):
    """Whoever tells who asks, a JupyterHub say, does not answer."""

    status = 503
    code = "identity-unavailable"
    title = "It is not known who asks"


class BodyTooLarge(WorkflowError):
    """The body of the request is larger than this endpoint takes."""

    status = 413
    code = "body-too-large"
    title = "The body is too large"

    def __init__(self, limit: int, trait: str) -> None:
        super().__init__(
            f"This endpoint takes up to {limit} bytes ({trait}). Send less at a time, or raise it in the server's configuration."
        )


class EncodedBody(WorkflowError):
    """The body of the request is compressed."""

    status = 415
    code = "encoded-body"
    title = "The body is compressed"

    def __init__(self) -> None:
        super().__init__("Send the body without Content-Encoding.")


class TooManyStreams(WorkflowError):
    """As many streams of events are open as the server allows."""

    status = 429
    code = "too-many-streams"
    title = "Too many streams are open"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} streams of events are open, and more are not allowed (max_streams). Close one, or try again later."
        )


class Unexpected(WorkflowError):
    """Something that should not have happened; the log knows more."""

    def __init__(self) -> None:
        super().__init__("Something went wrong inside the server; its log says what. Nothing was changed.")


def problem(error: WorkflowError, documentation: str) -> dict[str, object]:
    """The members of the problem document of an error; `documentation` is where people read about it."""
    document: dict[str, object] = {
        "type": f"{documentation}#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        document["errors"] = [{"field": fault.field, "message": fault.message} for fault in error.errors]
    return document | {name: value for name, value in error.extra.items() if name not in document}


def as_workflow_error(error: BaseException | None, status: int, allowed: Sequence[str]) -> WorkflowError:
    """Any exception as an error that may be shown; `allowed` are the methods of the endpoint."""
    if isinstance(error, WorkflowError):
        return error
    if isinstance(error, web.HTTPError) or error is None:
        return _from_http(error, status, allowed)
    return Unexpected()


def _from_http(error: web.HTTPError | None, status: int, allowed: Sequence[str]) -> WorkflowError:
    message = _message(error)
    if status == 404:
        return PathNotFound()
    if status == 405:
        return MethodNotAllowed(allowed)
    if status in (401, 403):
        return NotAllowed(message or "Log in, or send the token of this Jupyter server as `Authorization: token …`.")
    if status == IdentityUnavailable.status and message:
        return IdentityUnavailable(message)
    if status >= 500:
        return Unexpected()
    answer = InvalidInput(message or f"The request cannot be understood ({http.HTTPStatus(status).phrase}).")
    answer.status = status
    return answer


def _message(error: web.HTTPError | None) -> str:
    if error is None or not error.log_message:
        return ""
    try:
        text = error.log_message % error.args if error.args else error.log_message
    except (TypeError, ValueError):
        return ""
    return text[:DETAIL_LENGTH]
