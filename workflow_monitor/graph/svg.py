"""The dependency graph as an SVG picture, drawn by Graphviz in a process of its own."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from workflow_monitor.domain.errors import StoreUnavailable, WorkflowError
from workflow_monitor.graph.dot import NODE_MARK

logger = logging.getLogger(__name__)

#: Graphviz takes some seconds for this many scenes and tiles, and minutes beyond.
MAX_NODES = 5000

#: Programs that render dot text, in order of preference; graphviz-pure is a dependency of this package.
PROGRAMS = ("dot", "graphviz-pure")

#: ids of groups name their items: `s12`, `t7`, `s12_t7`; a fixed font keeps drawings independent of the machine
OPTIONS = (r"-Nid=\N", r"-Eid=\T_\H", "-Nfontname=Helvetica", "-Tsvg")

#: seconds between two calls of `is_stopped`
STOP_POLL = 0.1

SVG = "http://www.w3.org/2000/svg"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

#: allowed content: shapes and text; no scripts, links, styles, images or references
ELEMENTS = frozenset({"svg", "g", "title", "polygon", "polyline", "ellipse", "path", "text"})
ATTRIBUTES = frozenset(
    {"width", "height", "viewBox", "id", "class", "transform", "points", "d", "x", "y", "cx", "cy", "rx", "ry"}
    | {"fill", "stroke", "stroke-width", "stroke-dasharray", "text-anchor", "font-family", "font-size"}
)


class GraphTooLarge(WorkflowError):
    """The graph has too many nodes to be drawn, or to be drawn in time."""

    status = 422
    code = "graph-too-large"
    title = "The graph is too large to be drawn"

    def __init__(self, nodes: int, reason: str) -> None:
        super().__init__(
            f"The graph has {nodes:,} scenes and tiles or more; {reason}. Request a smaller part of it, or request the "
            "dot text, which is always complete, and draw it with a tool for large graphs."
        )
        self.extra = {"nodes": nodes}


class NoDrawingProgram(WorkflowError):
    """None of `PROGRAMS` is installed."""

    status = 501
    code = "no-drawing-program"
    title = "Graphs cannot be drawn here"

    def __init__(self) -> None:
        super().__init__(
            "The server found no Graphviz. Install `dot` from the system's packages, or `pip install graphviz-pure`; "
            "until then, request the dot text."
        )


class DrawingFailed(WorkflowError):
    """Graphviz failed, or its drawing has unexpected elements."""

    code = "drawing-failed"
    title = "The graph could not be drawn"

    def __init__(self, program: str) -> None:
        super().__init__(
            f"{program} failed to draw the graph; the reason is in the server's log. Request the dot text instead."
        )


def render_svg(
    dot_text: str | Iterable[str],
    seconds: float,
    max_nodes: int = MAX_NODES,
    is_stopped: Callable[[], bool] = lambda: False,
) -> bytes:
    """Return a graph as an `svg` element in UTF-8, without scripts and links, safe inside HTML.

    `dot_text` is the output of `dot_lines`, as chunks or as one text. The call blocks for up to `seconds`, or until
    `is_stopped` returns True, then kills Graphviz. The group of each node and edge has an id: `s12`, `t7`, `s12_t7`.

    Raises GraphTooLarge for more than `max_nodes` scenes and tiles, or when the time is over; NoDrawingProgram;
    DrawingFailed; StoreUnavailable if stopped.
    """
    text, nodes = _collected([dot_text] if isinstance(dot_text, str) else dot_text, max_nodes)
    program = drawing_program()
    name = Path(program).name
    try:
        process = subprocess.Popen(  # noqa: S603 -- a program of our choice, without a shell; the graph is its input
            [program, *OPTIONS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        drawing, errors = _output(process, text.encode(), seconds, is_stopped)
    except subprocess.TimeoutExpired:
        raise GraphTooLarge(nodes, f"drawing it takes more than {seconds:g} seconds") from None
    except OSError as error:
        logger.warning("drawing_program_not_started program=%s reason=%s", program, error)
        raise DrawingFailed(name) from error
    if process.returncode:
        stderr = errors.decode(errors="replace")
        logger.warning("drawing_program_failed program=%s code=%d stderr=%.500r", program, process.returncode, stderr)
        raise DrawingFailed(name)
    return _shapes_and_text(drawing, name)


def _output(
    process: subprocess.Popen[bytes], text: bytes, seconds: float, is_stopped: Callable[[], bool]
) -> tuple[bytes, bytes]:
    """Return the output and the errors of a process, or kill it.

    Raises subprocess.TimeoutExpired, or StoreUnavailable if stopped.
    """
    unsent: bytes | None = text
    left = seconds
    with process:
        try:
            while not is_stopped():
                try:
                    return process.communicate(unsent, timeout=min(left, STOP_POLL))
                except subprocess.TimeoutExpired:
                    left -= STOP_POLL
                    if left <= 0:
                        raise
                    unsent = None
        finally:
            process.kill()
    raise StoreUnavailable("The server is shutting down.")


def drawing_program() -> str:
    """Return the path of the first installed one of PROGRAMS, on the search path or beside this Python.

    Raises NoDrawingProgram.
    """
    for name in PROGRAMS:
        program = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
        if program:
            return program
    raise NoDrawingProgram


def _collected(chunks: Iterable[str], max_nodes: int) -> tuple[str, int]:
    """Return the text of the chunks and the count of its nodes."""
    parts = []
    nodes = 0
    for chunk in chunks:
        nodes += chunk.count(NODE_MARK)
        if nodes > max_nodes:
            raise GraphTooLarge(nodes, f"at most {max_nodes:,} are drawn")
        parts.append(chunk)
    return "".join(parts), nodes


def _shapes_and_text(drawn: bytes, program: str) -> bytes:
    """Return the SVG without comments, document type and attributes other than ATTRIBUTES.

    Raises DrawingFailed if it is no SVG or has elements other than ELEMENTS.
    """
    try:
        root = ET.fromstring(drawn)  # noqa: S314 -- Graphviz wrote it, with escaped texts
    except ET.ParseError as error:
        logger.warning("drawing_invalid program=%s reason=%s", program, error)
        raise DrawingFailed(program) from error
    for element in root.iter():
        name = element.tag.removeprefix(f"{{{SVG}}}")
        if name not in ELEMENTS:
            logger.warning("drawing_invalid program=%s element=%.100s", program, name)
            raise DrawingFailed(program)
        element.tag = name
        for attribute in [key for key in element.attrib if key not in ATTRIBUTES]:
            del element.attrib[attribute]
        if name == "text":
            element.set(_SPACE, "preserve")
            element.set("font-family", "Helvetica, Arial, sans-serif")
    root.set("xmlns", SVG)
    root.set("role", "img")
    return ET.tostring(root, encoding="unicode").encode()
