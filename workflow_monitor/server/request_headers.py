"""Replacement of headers that Jupyter cannot parse."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tornado import web
from tornado.httputil import HTTPHeaders, HTTPServerRequest

#: headers with URLs; the value of a page without an origin, which matches no origin
ADDRESSES = ("Origin", "Referer")
NO_ORIGIN = "null"


def replace_invalid_addresses(headers: HTTPHeaders) -> None:
    """Replace invalid URLs in headers by `null`, because Jupyter would raise ValueError and respond with 500."""
    for name in ADDRESSES:
        try:
            urlsplit(headers.get(name, ""))
        except ValueError:
            headers[name] = NO_ORIGIN


def guard_headers(application: web.Application) -> None:
    """Check the headers of all requests of an application before any handler reads them."""
    find_handler = application.find_handler

    def checked(request: HTTPServerRequest, **arguments: Any) -> Any:  # noqa: ANN401 - as Tornado defines it
        replace_invalid_addresses(request.headers)
        return find_handler(request, **arguments)

    application.find_handler = checked  # type: ignore[method-assign]
