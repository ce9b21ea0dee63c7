"""Base class of the panels, and the panels without Python code of their own.

The front end draws a panel and sends its requests to the server. Where the page comes from another server, the
requests go through the kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import Any, ClassVar

import anywidget
import traitlets

from workflow_monitor.client import AOI
from workflow_monitor.client.api import Api
from workflow_monitor.client.display import GLYPHS, STATUS_COLORS
from workflow_monitor.client.errors import (
    MonitorError,
    NotFound,
    NotSupported,
    RequestRejected,
    ResponseLost,
    ServerUnreachable,
)
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.widgets.bundle import HERE, bundle
from workflow_monitor.widgets.static_render import render_lanes

RECONNECT_SECONDS = 2.0
#: Data and metadata by media type.
MimeBundle = tuple[dict[str, Any], dict[str, Any]]
_COLORS = "\n".join(f".wm-{status.lower()} {{ --wm-color: {color}; }}" for status, color in STATUS_COLORS.items())


class Panel(anywidget.AnyWidget):
    """A panel over an AOI. A subclass names its JavaScript module: `module = "summary.js"`."""

    module: ClassVar[str]
    aoi = traitlets.Unicode().tag(sync=True)
    #: Instance id of the server; the front end compares it with the server of its page.
    instance = traitlets.Unicode().tag(sync=True)
    #: Name of the user in the event log.
    actor = traitlets.Unicode().tag(sync=True)
    glyphs = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, **arguments: Any) -> None:  # noqa: ANN401 - as in object
        # traitlets creates further subclasses, which inherit the assets.
        if "module" in cls.__dict__:
            cls._esm = bundle(cls.module)
            cls._css = f"{_COLORS}\n{(HERE / 'panel.css').read_text(encoding='utf-8')}"
        super().__init_subclass__(**arguments)

    def __init__(self, aoi: AOI | None, api: Api, **traits: Any) -> None:  # noqa: ANN401 - traits of the subclass
        # close() runs even after an error below.
        self._closed = threading.Event()
        if not api.has_events:
            message = f"Panels require a workflow monitor server; this is a {api.name}. Use frames: aoi.scenes()."
            raise NotSupported(message)
        self._subscriptions: dict[str, threading.Thread] = {}
        self._api = api
        glyphs = {str(status): glyph for status, glyph in GLYPHS.items()}
        common = {"aoi": aoi.name if aoi else "", "instance": api.instance(), "actor": api.connection.actor}
        super().__init__(**common, glyphs=glyphs, **traits)
        self.on_msg(self._receive)

    def close(self) -> None:
        """Remove the panel, and end its subscriptions."""
        self._closed.set()
        super().close()

    # ---- requests of the front end through the kernel

    def _receive(self, _: object, message: dict[str, Any], __: object) -> None:
        if "request" in message:
            self._respond(message)
        elif "subscribe" in message and message["subscribe"] not in self._subscriptions:
            # All views of the panel share the subscription.
            aoi = str(message["subscribe"])
            thread = threading.Thread(target=self._forward, args=(aoi,), name="workflow-monitor-panel", daemon=True)
            self._subscriptions[aoi] = thread
            thread.start()

    def _respond(self, message: dict[str, Any]) -> None:
        status, body = self._request(str(message["method"]), str(message["path"]))
        response = {"response": message["request"], "status": status}
        if message.get("binary") and status == HTTPStatus.OK:
            self.send(response, buffers=[body])
        else:
            self.send({**response, "text": body.decode("utf-8", errors="replace")})

    def _request(self, method: str, path: str) -> tuple[int, bytes]:
        """Return status and body of a response, or 0 and the reason if there is none."""
        try:
            connection = self._api.connection
            response = connection.get(path) if method == "GET" else connection.send(method, path)
        except (ServerUnreachable, ResponseLost) as error:
            return 0, str(error).encode()
        except RequestRejected as error:
            return error.status, str(error).encode()
        except MonitorError as error:
            return HTTPStatus.BAD_REQUEST, str(error).encode()
        return response.status, response.body

    def _forward(self, aoi: str) -> None:
        """Forward the transitions of an AOI to the front end, in a thread that also runs during a cell.

        For all AOIs (an empty name), request a refresh at intervals instead.
        """
        while not self._closed.is_set():
            try:
                for event in self._events(aoi):
                    if self._closed.is_set():
                        return
                    self._notify(aoi, "onEvents", [event])
            except NotFound:
                return
            except MonitorError:
                self._notify(aoi, "onDisconnect", [])
            self._closed.wait(RECONNECT_SECONDS)
            self._notify(aoi, "onReconnect", [])

    def _events(self, aoi: str) -> Iterator[dict[str, Any]]:
        return iter(()) if not aoi else AOI(self._api, self._api.summary(aoi)).events()

    def _notify(self, aoi: str, listener: str, events: list[dict[str, Any]]) -> None:
        self.send({"aoi": aoi, "notify": listener, "events": events})

    # ---- static output for saved notebooks

    def _static_html(self) -> str:
        """Return the current state with its time, as HTML without scripts."""
        now = datetime.now(UTC)
        return f"<div><p>As of {now:%Y-%m-%d %H:%M:%S} UTC</p>{self._static_body()}</div>"

    def _static_body(self) -> str:
        return self._current_aoi()._repr_html_() if self.aoi else "<p>No AOI selected.</p>"

    def _current_aoi(self) -> AOI:
        return AOI(self._api, self._api.summary(self.aoi))

    def _repr_mimebundle_(self, **arguments: Any) -> MimeBundle | None:  # noqa: ANN401 - as in IPython
        mime_bundle = super()._repr_mimebundle_(**arguments)
        if mime_bundle is None:
            return None
        data, metadata = mime_bundle
        try:
            html, text = self._static_html(), str(self._current_aoi()) if self.aoi else repr(self)
        except MonitorError as error:
            html, text = f"<p>{escape(str(error))}</p>", str(error)
        return {**data, "text/html": html, "text/plain": text}, metadata

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {escape_control_characters(self.aoi)}>"


class Summary(Panel):
    """Counts and bars per status, rate, remaining time, and a button that retries all items in RETRY."""

    module = "summary.js"


class Failures(Panel):
    """Failures grouped by message, with buttons that retry or fail all items of a group."""

    module = "failures.js"


class Timeline(Panel):
    """Counts per status over time, throughput, and the running jobs with their durations."""

    module = "timeline.js"


class Graph(Panel):
    """The dependency graph as lanes or drawn by Graphviz, with a card of the selected item and its actions."""

    module = "graph.js"

    def _static_body(self) -> str:
        figure = render_lanes(*self._api.columns(self.aoi, "lanes")) if self.aoi else ""
        return super()._static_body() + figure
