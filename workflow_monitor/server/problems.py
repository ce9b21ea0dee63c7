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
    """No endpoint has this path; this page lists them all."""

    status = 404
    code = "path-not-found"
    title = "The path does not exist"

    def __init__(self) -> None:
        super().__init__("No endpoint has this path. /docs lists them all.")


class MethodNotAllowed(WorkflowError):
    """The endpoint exists, but does not support this method; the header `Allow` lists the supported methods."""

    status = 405
    code = "method-not-allowed"
    title = "The endpoint does not support this method"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This endpoint supports {', '.join(allowed)}.")


class NotAllowed(WorkflowError):
    """The request carries no valid token or login, or its user may not do this."""

    status = 403
    code = "not-allowed"
    title = "The request is not permitted"


class NotForWorkers(NotAllowed):
    """The request carries the worker token, which permits leasing jobs, renewing leases and reporting results only."""

    code = "not-for-workers"
    title = "The worker token does not permit this"

    def __init__(self) -> None:
        super().__init__(
            "The worker token permits leasing jobs, renewing leases and reporting results only. Use the token of the server."
        )


class IdentityUnavailable(WorkflowError):
    """The identity provider, such as a JupyterHub, does not respond. Nothing was changed; try again."""

    status = 503
    code = "identity-unavailable"
    title = "The identity provider does not respond"


class BodyTooLarge(WorkflowError):
    """The body of the request is larger than this endpoint accepts. Split it, or raise the limit on the server."""

    status = 413
    code = "body-too-large"
    title = "The body is too large"

    def __init__(self, limit: int, trait: str) -> None:
        super().__init__(
            f"This endpoint accepts up to {limit} bytes ({trait}). Split the body, or raise the limit in the configuration."
        )


class EncodedBody(WorkflowError):
    """The body of the request is compressed, which the server does not support."""

    status = 415
    code = "encoded-body"
    title = "The body is compressed"

    def __init__(self) -> None:
        super().__init__("Send the body without Content-Encoding.")


class TooManyStreams(WorkflowError):
    """The server has reached its limit of open event streams. Close a stream, or try again later."""

    status = 429
    code = "too-many-streams"
    title = "Too many event streams are open"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The limit of {limit} open event streams (max_streams) is reached. Close one, or try again later."
        )


class TooManyDrawings(WorkflowError):
    """The server draws as many graphs as it can, and its queue of drawings is full. Try again later, or use the dot text."""

    status = 429
    code = "too-many-drawings"
    title = "Too many drawings are queued"

    def __init__(self, running: int, queued: int) -> None:
        super().__init__(
            f"The server draws {running} graphs at a time (drawing_threads), and {queued} more are queued "
            "(max_queued_drawings). Try again later, or request the dot text."
        )


class TooManyBodies(WorkflowError):
    """The requests that the server handles at the moment have large bodies; this body would exceed the memory for all of them."""

    status = 429
    code = "too-many-bodies"
    title = "Too many large bodies are in memory"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The server holds up to {limit} bytes of request bodies at a time (max_bodies_mib). Nothing was stored. "
            "Try again later, or send less in one request."
        )


class Unexpected(WorkflowError):
    """The server failed unexpectedly; its log contains the traceback. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__("The server failed unexpectedly; its log contains the traceback. Nothing was changed.")


def problem(error: WorkflowError, documentation: str) -> dict[str, object]:
    """Return the members of the problem document of an error; `documentation` is the URL of the documentation page."""
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


def problem_text(error: WorkflowError) -> str:
    r"""Return an error as plain text: the code, the detail, and a line for each invalid field.

    >>> problem_text(MethodNotAllowed(["GET"]))
    'method-not-allowed: This endpoint supports GET.\n'
    """
    lines = [f"{error.code}: {error.detail}", *(f"  {fault.field}: {fault.message}" for fault in error.errors)]
    return "\n".join([*lines, ""])


def as_workflow_error(error: BaseException | None, status: int, allowed: Sequence[str]) -> WorkflowError:
    """Convert any exception to an error without internal details; `allowed` are the methods of the endpoint."""
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
    invalid = InvalidInput(message or f"The request is not valid ({http.HTTPStatus(status).phrase}).")
    invalid.status = status
    return invalid


def _message(error: web.HTTPError | None) -> str:
    if error is None or not error.log_message:
        return ""
    try:
        text = error.log_message % error.args if error.args else error.log_message
    except (TypeError, ValueError):
        return ""
    return text[:DETAIL_LENGTH]
