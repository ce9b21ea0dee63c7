"""Log of the server: no tokens, bounded lines, and one traceback per fault and minute.

Tornado writes the URL of a request whose handler fails into the log, and Jupyter logs each request. Requests without a
token can cause both, so their share of the log must stay small.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable, Iterable
from itertools import chain

from tornado import web
from tornado.log import access_log

from workflow_monitor.connection.secret import HIDDEN, Secret

#: maximum length of a message in characters
MESSAGE_LENGTH = 2_000
#: maximum length of a traceback in characters
TRACEBACK_LENGTH = 10_000
#: seconds until the traceback of the same fault is logged again
TRACEBACK_INTERVAL = 60.0
#: faults whose last traceback is remembered
FAULTS = 100
#: parameters of URLs, headers and cookies that carry secrets
_PARAMETER = re.compile(r"""(?i)(\b(?:token|_xsrf|key|auth|password|code|state)=)[^\s&"'<>;,)]+""")
_HEADER = re.compile(r"""(?i)(\b(?:bearer|token|basic|peer) )[A-Za-z0-9._~+/=-]{8,}""")
_MARK = "_is_private"


def hide_secrets(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Replace these secrets and the values of parameters and headers that carry secrets.

    >>> hide_secrets("GET /aoi/?a=1&token=abc 500, Authorization: token 0123456789")
    'GET /aoi/?a=1&token=••• 500, Authorization: token •••'
    """
    for secret in secrets:
        text = secret.hide(text)
    return _HEADER.sub(rf"\1{HIDDEN}", _PARAMETER.sub(rf"\1{HIDDEN}", text))


class PrivateLogFilter(logging.Filter):
    """Filter of a handler: hides secrets, cuts long messages, and drops repeated tracebacks."""

    def __init__(self, secrets: Iterable[Secret] = (), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._clock = clock
        #: time of the last traceback by fault
        self._logged: dict[tuple[object, ...], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record once, even if several handlers receive it."""
        if not hasattr(record, _MARK):
            setattr(record, _MARK, True)
            try:
                text = record.getMessage()
            except (TypeError, ValueError):  # a wrong format, which logging reports itself
                return True
            record.msg, record.args = _cut(hide_secrets(text, self._secrets), MESSAGE_LENGTH), ()
            if record.exc_info and record.exc_info[1] is not None:
                record.exc_text = self._traceback(record.exc_info[1])
                record.exc_info = None
        return True

    def _traceback(self, error: BaseException) -> str:
        frame = traceback.extract_tb(error.__traceback__)[-1:]
        fault = (type(error), *((entry.filename, entry.lineno) for entry in frame))
        now = self._clock()
        last = self._logged.get(fault)
        if last is not None and now - last < TRACEBACK_INTERVAL:
            return f"(traceback of {type(error).__name__} as within the last {TRACEBACK_INTERVAL:g} seconds)"
        if len(self._logged) >= FAULTS:
            self._logged.clear()
        self._logged[fault] = now
        text = "".join(traceback.format_exception(error)).rstrip("\n")
        return _cut(hide_secrets(text, self._secrets), TRACEBACK_LENGTH)


def _cut(text: str, length: int) -> str:
    """Shorten the middle of a text: the end of a traceback has the cause."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]} … ({len(text) - length} characters) … {text[-length // 2 :]}"


def protect(loggers: Iterable[logging.Logger], secrets: Iterable[Secret]) -> Callable[[], None]:
    """Add one filter to all handlers that receive records of these loggers; return a function that removes it."""
    private = PrivateLogFilter(secrets)
    handlers = {
        handler
        for logger in loggers
        for ancestor in _ancestors(logger)
        for handler in chain(ancestor.handlers, [logging.lastResort] if ancestor.parent is None else [])
        if handler is not None
    }
    for handler in handlers:
        if not any(isinstance(other, PrivateLogFilter) for other in handler.filters):
            handler.addFilter(private)

    def unprotect() -> None:
        for handler in handlers:
            handler.removeFilter(private)

    return unprotect


def _ancestors(logger: logging.Logger | None) -> Iterable[logging.Logger]:
    while logger is not None:
        yield logger
        logger = logger.parent if logger.propagate else None


def robust_log_function(log_request: Callable[[web.RequestHandler], None]) -> Callable[[web.RequestHandler], None]:
    """Return a log function that survives invalid URLs in requests and in their headers.

    Jupyter's function raises ValueError for them, which leaves the request unfinished and logs two tracebacks.
    """

    def log_or_summarize(handler: web.RequestHandler) -> None:
        try:
            log_request(handler)
        except ValueError as error:
            request = handler.request
            access_log.warning("%d %s (%s) reason=%s", handler.get_status(), request.method, request.remote_ip, error)

    return log_or_summarize
