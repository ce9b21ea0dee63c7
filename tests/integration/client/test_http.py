"""Typed errors for missing and invalid responses; reads are retried, writes are sent once, tokens stay hidden."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest

from tests.fake_server import Request, ScriptedServer, response
from tests.server_process import LiveServer, free_port
from workflow_monitor import Monitor
from workflow_monitor.client import errors
from workflow_monitor.client.api import Api
from workflow_monitor.client.arrow import SCHEMAS, scene_table
from workflow_monitor.client.http import RetryPolicy, Transport
from workflow_monitor.client.scene_input import SceneBody
from workflow_monitor.connection.secret import Secret
from workflow_monitor.documents.items import SceneDocument
from workflow_monitor.documents.media_types import ARROW
from workflow_monitor.domain.status import ItemKind

SECRET = "s3cr3t-t0k3n"
OVERVIEW = (
    '{"aoi":"A","status":"NEW","scenes":{"new":0,"pending":0,"done":0,"retry":0,"failed":0},'
    '"tiles":{"new":0,"pending":0,"done":0,"retry":0,"failed":0},"root_tiles":0,"from":null,"to":null}'
)
PAGE = "<!DOCTYPE html><html><body>Please log in to the corporate proxy</body></html>"
Script = Callable[[Request], Any]


@contextmanager
def api_of(script: Script, retries: int = 2) -> Iterator[tuple[Api, ScriptedServer]]:
    """Open the API of a scripted server, with short retry pauses."""
    with ScriptedServer(script) as server:
        url = f"{server.url}workflow-monitor/"
        connection = Transport(url, Secret(SECRET), timeout=60, patience=RetryPolicy(retries, 0.001))
        yield Api(connection), server
        connection.close()


def arrow_bytes() -> bytes:
    import msgspec

    documents = [SceneDocument(n, f"S{n}", "A", msgspec.Raw(b'{"date":"2022-01-04T10:34:31Z"}')) for n in range(2000)]
    table = scene_table(documents)
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    return sink.getvalue()


def chunked(parts: list[bytes], *, end: bool) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {ARROW}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    )
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + body + (b"0\r\n\r\n" if end else b"")


# ---- no server


def test_a_closed_port_is_unreachable() -> None:
    with pytest.raises(errors.ServerUnreachable, match="Is the server running"):
        Monitor(f"http://127.0.0.1:{free_port()}/", token="x", retries=0)


def test_a_silent_server_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(errors.ServerUnreachable, match="Timeout"):
            Monitor(url, token="x", retries=0, timeout=0.2)


def test_invalid_urls_are_rejected() -> None:
    for url in ("ftp://host/", "http://", "http://user:pw@host/"):
        with pytest.raises(errors.MonitorError):
            Monitor(url)


# ---- retries of reads


@pytest.mark.parametrize("away", [None, response("", 502), response("", 503), response(PAGE, 504, "text/html")])
def test_reads_are_retried_after_temporary_errors(away: bytes | None) -> None:
    replies = [away, away, response(OVERVIEW)]
    with api_of(lambda _: replies.pop(0)) as (api, server):
        assert api.summary("A").count() == 0
    assert server.count_of("GET", "/aoi/A") == 3


def test_reads_stop_after_the_retry_limit() -> None:
    with api_of(lambda _: response("", 503)) as (api, server), pytest.raises(errors.ServerError, match="503"):
        api.summary("A")
    assert server.count_of("GET", "/aoi/A") == 3


def test_a_503_raises_with_its_detail() -> None:
    problem = '{"code":"store-unavailable","title":"x","detail":"The disk is full."}'
    with (
        api_of(lambda _: response(problem, 503, "application/problem+json")) as (api, _),
        pytest.raises(errors.ServerError, match="The disk is full") as caught,
    ):
        api.summary("A")
    assert caught.value.code == "store-unavailable"


# ---- invalid responses


def test_an_html_page_of_a_proxy_raises() -> None:
    with api_of(lambda _: response(PAGE, 200, "text/html")) as (api, _):
        with pytest.raises(errors.UnexpectedResponse, match="HTML page"):
            api.summary("A")
        with pytest.raises(errors.UnexpectedResponse, match="HTML page"):
            api.items(ItemKind.SCENE, "A")
        with pytest.raises(errors.UnexpectedResponse):
            api.create("A")


@pytest.mark.parametrize("body", ["<html><head><title>413 Request Entity Too Large</title></head></html>", "too large"])
def test_a_413_of_a_proxy_names_its_limit(body: str) -> None:
    media_type = "text/html" if "<" in body else "text/plain"
    with (
        api_of(lambda _: response(body, 413, media_type)) as (api, _),
        pytest.raises(errors.RequestRejected, match=r"(?s)too large for a proxy.*client_max_body_size") as caught,
    ):
        api.ingest("A", SceneBody(b"[]", "application/json"), "refuse")
    assert caught.value.status == 413


def test_an_html_403_raises_access_denied() -> None:
    with (
        api_of(lambda _: response(PAGE, 403, "text/html")) as (api, _),
        pytest.raises(errors.AccessDenied, match="token"),
    ):
        api.items(ItemKind.SCENE, "A")


def test_a_redirect_to_a_login_page_raises() -> None:
    def script(request: Request) -> bytes:
        return (
            response(PAGE, 200, "text/html") if request.path == "/login" else response("", 302, "", Location="/login")
        )

    with api_of(script) as (api, _), pytest.raises(errors.UnexpectedResponse):
        api.items(ItemKind.SCENE, "A")


@pytest.mark.parametrize("body", ["", "nonsense", "[1, 2", "[]", "3", '{"scenes": {}}'])
def test_invalid_json_raises(body: str) -> None:
    with api_of(lambda _: response(body)) as (api, _), pytest.raises(errors.UnexpectedResponse):
        api.summary("A")


@pytest.mark.parametrize("body", ["", "{}", "[{}]", '[{"id":"x"}]', "[nonsense]"])
def test_invalid_lists_raise(body: str) -> None:
    with api_of(lambda _: response(body)) as (api, _), pytest.raises(errors.UnexpectedResponse):
        api.history("A", {})


def test_an_unexpected_media_type_raises() -> None:
    with (
        api_of(lambda _: response("[]")) as (api, _),
        pytest.raises(errors.UnexpectedResponse, match="instead of Arrow"),
    ):
        api.items(ItemKind.SCENE, "A")


# ---- truncated Arrow streams


def test_an_arrow_stream_is_read_completely() -> None:
    whole = arrow_bytes()
    parts = [whole[start : start + 777] for start in range(0, len(whole), 777)]
    with api_of(lambda _: chunked(parts, end=True)) as (api, _):
        table = api.items(ItemKind.SCENE, "A")
    assert table.num_rows == 2000
    assert table.schema == SCHEMAS[ItemKind.SCENE]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_arrow_response_raises(share: float) -> None:
    whole = arrow_bytes()
    half = whole[: int(len(whole) * share)]
    with (
        api_of(lambda _: chunked([half] if half else [], end=False)) as (api, server),
        pytest.raises(errors.IncompleteResponse, match="ended early"),
    ):
        api.items(ItemKind.SCENE, "A")
    assert server.count_of("GET", "/scenes") == 3


@pytest.mark.parametrize("cut", [8, 16, 100, 5000])
def test_a_truncated_arrow_stream_in_a_complete_response_raises(cut: int) -> None:
    half = arrow_bytes()[:-cut]
    with api_of(lambda _: response(half, media_type=ARROW)) as (api, _), pytest.raises(errors.IncompleteResponse):
        api.items(ItemKind.SCENE, "A")


def test_an_arrow_stream_without_its_end_marker_raises() -> None:
    table = pa.ipc.open_stream(arrow_bytes()).read_all()
    sink = BytesIO()
    writer = pa.ipc.new_stream(sink, table.schema)
    writer.write_table(table.slice(0, 500))
    half = sink.getvalue()
    writer.close()
    assert pa.ipc.open_stream(half).read_all().num_rows == 500, "pyarrow accepts the stream"
    with api_of(lambda _: response(half, media_type=ARROW)) as (api, _), pytest.raises(errors.IncompleteResponse):
        api.items(ItemKind.SCENE, "A")


def test_a_read_is_retried_after_a_disconnect() -> None:
    whole = arrow_bytes()
    replies = [chunked([whole[:5000]], end=False), chunked([whole], end=True)]
    with api_of(lambda _: replies.pop(0)) as (api, _):
        assert api.items(ItemKind.SCENE, "A").num_rows == 2000


# ---- single writes


@pytest.mark.parametrize(
    "lost", [None, response("", 502), response(PAGE, 504, "text/html"), response(PAGE, 503, "text/html")]
)
def test_a_write_with_a_lost_response_is_not_repeated(lost: bytes | None) -> None:
    with (
        api_of(lambda _: lost, retries=5) as (api, server),
        pytest.raises(errors.ResponseLost, match=r"may have been applied|returned 50") as caught,
    ):
        api.retry(ItemKind.SCENE, 14)
    assert server.count_of("PUT", "/scene/14/retry") == 1
    assert "m.scene(14)" in str(caught.value)


def test_an_unsent_write_raises_unreachable() -> None:
    connection = Transport(f"http://127.0.0.1:{free_port()}/", Secret(SECRET), patience=RetryPolicy(0))
    with pytest.raises(errors.ServerUnreachable):
        Api(connection).create("A")
    connection.close()


def test_a_write_does_not_follow_redirects() -> None:
    moved = response("", 307, "", Location="http://127.0.0.1:1/")
    with api_of(lambda _: moved) as (api, server), pytest.raises(errors.UnexpectedResponse, match="was redirected"):
        api.create("A")
    assert len(server.requests) == 1


# ---- errors of a Jupyter server


def test_404_codes_map_to_typed_errors(m: Monitor) -> None:
    with pytest.raises(errors.AOINotFound, match="Denmrak"):
        m["Denmrak"]
    for wrong in (lambda: m.scene(999), lambda: m.tile(-1), lambda: m.scene(2**40)):
        with pytest.raises(errors.ItemNotFound, match=r"no (scene|tile) with the id"):
            wrong()
    with pytest.raises(LookupError):
        m["Denmrak"]
    for name in ("", ".", "..", "Den*"):
        with pytest.raises(errors.MonitorError):
            m[name]


def test_a_rejected_token_raises_access_denied(server: LiveServer) -> None:
    for token in ("wrong", None):
        with pytest.raises(errors.AccessDenied, match="WORKFLOW_MONITOR_TOKEN"):
            Monitor(server.base_url, token=token)


# ---- tokens


def full_text(error: BaseException) -> str:
    """Return the text, causes and traceback of an exception, with the local variables of the package's frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    report.stack = traceback.StackSummary.from_list(
        [frame for frame in report.stack if "/workflow_monitor/" in frame.filename]
    )
    text = "".join(report.format())
    assert "self = " in text, "the traceback has no local variables"
    linked = [error.__cause__, error.__context__]
    return text + repr(vars(error)) + "".join(full_text(one) for one in linked if one is not None)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        response("", 403),
        response(PAGE, 403, "text/html"),
        response(PAGE, media_type="text/html"),
        b"\0\xff\r\n\r\n",
    ],
)
def test_errors_hide_the_token(reply: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with api_of(lambda _: reply, retries=0) as (api, server):
        for action in (lambda: api.summary("A"), lambda: api.create("A"), lambda: api.items(ItemKind.TILE, "A")):
            with pytest.raises(errors.MonitorError) as caught:
                action()
            assert SECRET not in full_text(caught.value)
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in caplog.text


def test_representations_hide_the_token(server: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Monitor(f"{server.base_url}lab?token={server.token}", actor="eva") as m:
        aoi = m["DenmarkS1"]
        things: list[Any] = [m, aoi, m.scene(1), m.tile(1)]
        shown = [f"{thing!r}{thing}{thing._repr_html_()}{vars(thing)}" for thing in things]
        assert server.token not in "".join(shown) + repr(vars(m._api.connection)) + caplog.text
        with pytest.raises(TypeError):
            pickle.dumps(m._api.connection.token)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ünicode", "nul\0"])
def test_the_error_for_an_invalid_token_hides_it(token: str) -> None:
    with pytest.raises(errors.MonitorError, match="not allowed in a token") as caught:
        Monitor("http://127.0.0.1:1/", token=token)
    assert token not in str(caught.value)


# ---- actor


@pytest.mark.parametrize("actor", ["eva", "Åse Ørsted", "名前", "a\nb: c"])
def test_the_actor_is_sent_in_one_line(actor: str) -> None:
    with ScriptedServer(lambda request: response(OVERVIEW) if "/aoi/" in request.path else "") as server:
        Monitor(server.url, token="x", actor=actor)["A"]
    sent = server.requests[-1].headers["x-workflow-monitor-actor"].encode("latin-1").decode()
    assert sent == actor.replace("\n", "")


def test_the_actor_is_in_the_history(m: Monitor) -> None:
    m.scene(3).retry()
    assert m["DenmarkS1"].history(kind="scene", id=3)["who"].iloc[-1] == "Åse Ørsted"


def test_garbage_collection_closes_connections(server: LiveServer) -> None:
    Monitor(server.base_url, token=server.token)
