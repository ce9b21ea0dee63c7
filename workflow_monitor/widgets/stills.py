"""Pictures that need nothing but a browser: what a saved notebook shows where no panel can be."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.display import STATUS_COLORS
from workflow_monitor.domain.status import Status

if TYPE_CHECKING:
    import numpy.typing as npt

    Columns = dict[str, npt.NDArray[Any]]

WIDTH, HEIGHT = 640, 360
#: shapes that a still may have: a saved notebook stays small
MOST = 2000
#: what needs a person is drawn last, on top, and is kept when there are too many
ORDER = (Status.DONE, Status.NEW, Status.PENDING, Status.FAILED, Status.RETRY)


def footprints_still(about: dict[str, Any], columns: Columns) -> str:
    """The footprints as a picture in plate carrée, north up."""
    import numpy as np  # noqa: PLC0415 - with it comes half a second

    positions = columns["positions"].reshape(-1, 2).astype(float)
    if not len(positions):
        return "<p>No footprints.</p>"
    west, south = positions.min(axis=0)
    east, north = positions.max(axis=0)
    scale = min(WIDTH / max(east - west, 0.01), HEIGHT / max(north - south, 0.01))
    placed = np.round((positions - (west, north)) * (scale, -scale), 1)
    shapes = []
    for at in _chosen(about, columns["status"]):
        rings = []
        for ring in range(int(columns["first_ring"][at]), int(columns["first_ring"][at + 1])):
            start, end = int(columns["first_position"][ring]), int(columns["first_position"][ring + 1])
            rings.append("M" + "L".join(f"{x:g} {y:g}" for x, y in placed[start:end]) + "Z")
        colour = STATUS_COLORS[_status(about, columns["status"][at])]
        shapes.append(f'<path d="{"".join(rings)}" fill="{colour}" fill-opacity=".2" stroke="{colour}"/>')
    return _picture(shapes, len(columns["id"]), f"footprints of {about['kind']}s")


def lanes_still(about: dict[str, Any], columns: Columns) -> str:
    """The tiles as a picture: places from left to right, dates from above."""
    import numpy as np  # noqa: PLC0415 - see footprints_still

    first = columns["first"].astype(np.int64)
    rows = np.repeat(np.arange(len(about["days"])), first[1:] - first[:-1])
    if not len(rows):
        return "<p>No tiles.</p>"
    width = min(16.0, WIDTH / about["tracks"])
    height = min(16.0, HEIGHT / len(about["days"]))
    shapes = [
        f'<rect x="{int(columns["track"][at]) * width:.1f}" y="{rows[at] * height:.1f}" width="{max(width - 1, 0.5):.1f}" '
        f'height="{max(height - 1, 0.5):.1f}" fill="{STATUS_COLORS[_status(about, columns["status"][at])]}"/>'
        for at in _chosen(about, columns["status"])
    ]
    dates = [day for day in about["days"] if day]
    told = f"tiles by place and date, {dates[0]} to {dates[-1]}" if dates else "tiles by place"
    return _picture(shapes, len(rows), told)


def _chosen(about: dict[str, Any], codes: npt.NDArray[Any]) -> list[int]:
    """Positions in the order of drawing; of too many those that need a person."""
    import numpy as np  # noqa: PLC0415 - see footprints_still

    rank = np.array([ORDER.index(Status(name)) for name in about["statuses"]])
    order = np.argsort(rank[codes.astype(np.int64)], kind="stable")
    return [int(at) for at in order[-MOST:]]


def _status(about: dict[str, Any], code: Any) -> Status:  # noqa: ANN401 - a number of numpy
    return Status(about["statuses"][int(code)])


def _picture(shapes: list[str], number: int, told: str) -> str:
    cut = f"; {len(shapes):,} of {number:,} are shown" if len(shapes) < number else ""
    label = escape(f"{number:,} {told}{cut}", quote=True)
    return (
        f'<figure style="margin:0"><svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" width="{WIDTH}" style="max-width:100%">{"".join(shapes)}</svg>'
        f"<figcaption>{label}</figcaption></figure>"
    )
