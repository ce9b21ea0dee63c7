"""The log of the server contains no secrets, and a repeated failure costs one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from workflow_monitor.connection.secret import Secret
from workflow_monitor.server.private_log import MESSAGE_LENGTH, TRACEBACK_INTERVAL, PrivateLogFilter, hide_secrets

TOKEN = 'abc/"+&<1>'


@pytest.fixture
def time() -> list[float]:
    return [0.0]


@pytest.fixture
def output(time: list[float]) -> Iterator[tuple[logging.Logger, StringIO]]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(PrivateLogFilter([Secret(TOKEN)], lambda: time[0]))
    logger = logging.getLogger(__name__)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def read(text: str) -> None:
    raise ValueError(text)


def fail(logger: logging.Logger, text: str = "cause") -> None:
    try:
        read(text)
    except ValueError:
        logger.exception("request_failed")


@pytest.mark.parametrize(
    "text",
    [
        "GET /aoi/?token=s3cret-value",
        "GET /aoi/?limit=1&TOKEN=s3cret-value&page=2 (500)",
        "HTTPServerRequest(protocol='http', uri='/x?token=s3cret-value', method='GET')",
        "{'Authorization': 'Bearer s3cret-value', 'Host': 'a'}",
        "Cookie: _xsrf=s3cret-value; a=b",
        "referer=http://a/lab?token=s3cret-value",
        "Authorization: Peer s3cret-value",
    ],
)
def test_values_of_secret_parameters_and_headers_are_hidden(text: str) -> None:
    hidden = hide_secrets(text)
    assert "s3cret-value" not in hidden
    assert hidden.replace("•••", "s3cret-value") == text


def test_other_texts_are_unchanged() -> None:
    text = "GET /aoi/Fyn?format=json&limit=3 (eva@127.0.0.1) the token is invalid, monkey=1"
    assert hide_secrets(text) == text


def test_messages_and_tracebacks_hide_the_token_in_all_encodings(output: tuple[logging.Logger, StringIO]) -> None:
    logger, stream = output
    forms = [TOKEN, "abc/%22%2B%26%3C1%3E", "abc%2F%22%2B%26%3C1%3E", "abc/&quot;+&amp;&lt;1&gt;", 'abc/\\"+&<1>']
    for form in forms:
        logger.warning("a %s b", form)
        fail(logger, form)
    assert stream.getvalue().count("a ••• b") == len(forms)
    assert not any(form in stream.getvalue() for form in forms)


def test_the_traceback_of_a_fault_is_logged_once_in_an_interval(
    output: tuple[logging.Logger, StringIO], time: list[float]
) -> None:
    logger, stream = output
    for _ in range(100):
        fail(logger)
    assert stream.getvalue().count("Traceback") == 1
    assert stream.getvalue().count("request_failed") == 100
    assert len(stream.getvalue().splitlines()) < 220
    time[0] = TRACEBACK_INTERVAL
    fail(logger)
    assert stream.getvalue().count("Traceback") == 2


def test_a_long_message_keeps_its_beginning_and_its_end(output: tuple[logging.Logger, StringIO]) -> None:
    logger, stream = output
    logger.warning("begin%send", "x" * 1_000_000)
    line = stream.getvalue()
    assert len(line) < MESSAGE_LENGTH + 100
    assert line.startswith("beginx")
    assert line.endswith("xend\n")
