"""Static SVG figures of the map and the graph, for saved notebooks without a running kernel."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.display import STATUS_COLORS
from workflow_monitor.domain.status import Status

if TYPE_CHECKING:
    import numpy.typing as npt

    Columns = dict[str, npt.NDArray[Any]]

WIDTH, HEIGHT = 640, 360
#: Limit on the shapes of a figure, which keeps saved notebooks small.
MAX_SHAPES = 2000
MAX_CELL_SIZE = 16.0
#: Drawing order: failures last, on top, and kept when the figure is cut.
ORDER = (Status.DONE, Status.NEW, Status.PENDING, Status.FAILED, Status.RETRY)


def render_footprints(metadata: dict[str, Any], columns: Columns) -> str:
    """Return the footprints as an SVG figure in plate carrée, north up.

    `positions` are longitudes and latitudes in degrees, EPSG:4326.
    """
    import numpy as np  # noqa: PLC0415 - the import takes half a second

    positions = columns["positions"].reshape(-1, 2).astype(float)
    if not len(positions):
        return "<p>No footprints.</p>"
    west, south = positions.min(axis=0)
    east, north = positions.max(axis=0)
    scale = min(WIDTH / max(east - west, 0.01), HEIGHT / max(north - south, 0.01))
    points = np.round((positions - (west, north)) * (scale, -scale), 1)
    shapes = []
    for item in _drawing_order(metadata, columns["status"]):
        rings = []
        for ring in range(int(columns["first_ring"][item]), int(columns["first_ring"][item + 1])):
            start, end = int(columns["first_position"][ring]), int(columns["first_position"][ring + 1])
            rings.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points[start:end]) + "Z")
        color = _color(metadata, columns["status"][item])
        shapes.append(f'<path d="{"".join(rings)}" fill="{color}" fill-opacity=".2" stroke="{color}"/>')
    return _figure(shapes, len(columns["id"]), f"footprints of {metadata['kind']}s")


def render_lanes(metadata: dict[str, Any], columns: Columns) -> str:
    """Return the tiles as an SVG figure: a column for each place, a row for each date."""
    import numpy as np  # noqa: PLC0415 - see render_footprints

    first = columns["first"].astype(np.int64)
    days = metadata["days"]
    rows = np.repeat(np.arange(len(days)), first[1:] - first[:-1])
    if not len(rows):
        return "<p>No tiles.</p>"
    width = min(MAX_CELL_SIZE, WIDTH / metadata["tracks"])
    height = min(MAX_CELL_SIZE, HEIGHT / len(days))
    size = f'width="{max(width - 1, 0.5):.1f}" height="{max(height - 1, 0.5):.1f}"'
    shapes = [
        f'<rect x="{int(columns["track"][tile]) * width:.1f}" y="{rows[tile] * height:.1f}" {size} '
        f'fill="{_color(metadata, columns["status"][tile])}"/>'
        for tile in _drawing_order(metadata, columns["status"])
    ]
    dates = [day for day in days if day]
    description = f"tiles by place and date, {dates[0]} to {dates[-1]}" if dates else "tiles by place"
    return _figure(shapes, len(rows), description)


def _drawing_order(metadata: dict[str, Any], codes: npt.NDArray[Any]) -> list[int]:
    """Return the items to draw, failures last; the first ones are cut."""
    import numpy as np  # noqa: PLC0415 - see render_footprints

    rank = np.array([ORDER.index(Status(name)) for name in metadata["statuses"]])
    order = np.argsort(rank[codes.astype(np.int64)], kind="stable")
    return [int(item) for item in order[-MAX_SHAPES:]]


def _color(metadata: dict[str, Any], code: Any) -> str:  # noqa: ANN401 - a scalar of numpy
    return STATUS_COLORS[Status(metadata["statuses"][int(code)])]


def _figure(shapes: list[str], total: int, description: str) -> str:
    cut = f"; {len(shapes):,} of {total:,} shown" if len(shapes) < total else ""
    caption = escape(f"{total:,} {description}{cut}", quote=True)
    return (
        f'<figure style="margin:0"><svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{caption}" '
        f'viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" width="{WIDTH}" style="max-width:100%">{"".join(shapes)}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )
