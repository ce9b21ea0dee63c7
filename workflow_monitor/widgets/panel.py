"""What the panels of an AOI have in common: what is shown is made by the front end, which asks the server itself.

Where the page does not come from the Jupyter server that the panel belongs to, its requests go through the kernel.
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
from workflow_monitor.widgets.modules import HERE, bundled
from workflow_monitor.widgets.stills import lanes_still

#: Seconds between looks for a server that has gone.
AGAIN = 2.0
#: data and metadata by media type
Bundle = tuple[dict[str, Any], dict[str, Any]]
_COLOURS = "\n".join(f".wm-{status.lower()} {{ --wm-colour: {colour}; }}" for status, colour in STATUS_COLORS.items())


class Panel(anywidget.AnyWidget):
    """A panel over an AOI. A subclass names its JavaScript: `module = "summary.js"`."""

    module: ClassVar[str]
    aoi = traitlets.Unicode().tag(sync=True)
    #: which server answers; the front end looks whether it is its own
    instance = traitlets.Unicode().tag(sync=True)
    #: who acts, as the events tell
    actor = traitlets.Unicode().tag(sync=True)
    glyphs = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, **arguments: Any) -> None:  # noqa: ANN401 - as object has it
        # traitlets makes further subclasses, which have these already.
        if "module" in cls.__dict__:
            cls._esm = bundled(cls.module)
            cls._css = f"{_COLOURS}\n{(HERE / 'panel.css').read_text(encoding='utf-8')}"
        super().__init_subclass__(**arguments)

    def __init__(self, aoi: AOI | None, api: Api, **state: Any) -> None:  # noqa: ANN401 - traits of the subclass
        # First: what is refused below is closed, too.
        self._over = threading.Event()
        if not api.has_events:
            raise NotSupported(f"Panels need a workflow monitor; this is a {api.name}. Its frames work: aoi.scenes().")
        self._followers: dict[str, threading.Thread] = {}
        self._api = api
        glyphs = {str(status): glyph for status, glyph in GLYPHS.items()}
        about = {"aoi": aoi.name if aoi else "", "instance": api.instance(), "actor": api.connection.actor}
        super().__init__(**about, glyphs=glyphs, **state)
        self.on_msg(self._receive)

    def close(self) -> None:
        """Stop following, and take the panel away."""
        self._over.set()
        super().close()

    # ---- for a front end that cannot reach the server

    def _receive(self, _: object, message: dict[str, Any], __: object) -> None:
        if "ask" in message:
            self._reply(message)
        elif "follow" in message and message["follow"] not in self._followers:
            # One for all views of this panel.
            name = str(message["follow"])
            follow = threading.Thread(target=self._follow, args=(name,), name="workflow-monitor-panel", daemon=True)
            self._followers[name] = follow
            follow.start()

    def _reply(self, message: dict[str, Any]) -> None:
        status, body = self._answer(str(message["method"]), str(message["path"]))
        answer = {"answer": message["ask"], "status": status}
        if message.get("bytes") and status == HTTPStatus.OK:
            self.send(answer, buffers=[body])
        else:
            self.send({**answer, "text": body.decode("utf-8", errors="replace")})

    def _answer(self, method: str, path: str) -> tuple[int, bytes]:
        """The status and the body of an answer, or what went wrong; 0 if there is none."""
        try:
            connection = self._api.connection
            answer = connection.get(path) if method == "GET" else connection.send(method, path)
        except (ServerUnreachable, ResponseLost) as error:
            return 0, str(error).encode()
        except RequestRejected as error:
            return error.status, str(error).encode()
        except MonitorError as error:
            return HTTPStatus.BAD_REQUEST, str(error).encode()
        return answer.status, answer.body

    def _follow(self, name: str) -> None:
        """Tell the front end what happens in an AOI; a thread of the kernel does so while a cell runs.

        Of all AOIs (an empty name) it tells that something may have happened.
        """
        while not self._over.is_set():
            try:
                for event in self._events(name):
                    if self._over.is_set():
                        return
                    self._tell(name, "heard", [event])
            except NotFound:
                return
            except MonitorError:
                self._tell(name, "away", [])
            self._over.wait(AGAIN)
            self._tell(name, "back", [])

    def _events(self, name: str) -> Iterator[dict[str, Any]]:
        return iter(()) if not name else AOI(self._api, self._api.summary(name)).events()

    def _tell(self, name: str, told: str, events: list[dict[str, Any]]) -> None:
        self.send({"aoi": name, "told": told, "events": events})

    # ---- what is left in a saved notebook

    def _static_html(self) -> str:
        """What is shown where no panel can be: the last state, with its date."""
        now = datetime.now(UTC)
        return f"<div><p>As of {now:%Y-%m-%d %H:%M:%S} UTC</p>{self._still()}</div>"

    def _still(self) -> str:
        """The state of now as HTML that needs nothing else."""
        return self._shown_aoi()._repr_html_() if self.aoi else "<p>No AOI.</p>"

    def _shown_aoi(self) -> AOI:
        return AOI(self._api, self._api.summary(self.aoi))

    def _repr_mimebundle_(self, **arguments: Any) -> Bundle | None:  # noqa: ANN401 - IPython's
        bundle = super()._repr_mimebundle_(**arguments)
        if bundle is None:
            return None
        data, metadata = bundle
        try:
            still, text = self._static_html(), str(self._shown_aoi()) if self.aoi else repr(self)
        except MonitorError as error:
            still, text = f"<p>{escape(str(error))}</p>", str(error)
        return {**data, "text/html": still, "text/plain": text}, metadata

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {escape_control_characters(self.aoi)}>"


class Summary(Panel):
    """Counts per status, bars, rate and time left, and retrying all that waits for a person."""

    module = "summary.js"


class Failures(Panel):
    """What failed, grouped by the shape of the message; a group is retried or given up at once."""

    module = "failures.js"


class Timeline(Panel):
    """Numbers per status over time, how many are done, and what is running now with how long."""

    module = "timeline.js"


class Graph(Panel):
    """The dependency graph as lanes or as dot, with every item's neighbours, and repairs where the problem is."""

    module = "graph.js"

    def _still(self) -> str:
        return super()._still() + (lanes_still(*self._api.columns(self.aoi, "lanes")) if self.aoi else "")
