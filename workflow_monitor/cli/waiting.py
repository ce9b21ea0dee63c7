"""Commands that explain why items wait."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow_monitor.cli.ingestion import URL, AsJSON, Name, connect
from workflow_monitor.cli.tables import show_json, show_table
from workflow_monitor.domain.status import ItemKind


def why(
    kind: Annotated[ItemKind, typer.Argument(help="scene or tile.")],
    item_id: Annotated[int, typer.Argument(metavar="ID", help="The id.")],
    as_json: AsJSON = False,
    url: URL = None,
) -> None:
    """Explain why a scene or tile waits: the items, jobs and failures in its way."""
    with connect(url) as m:
        reasons = (m.scene(item_id) if kind is ItemKind.SCENE else m.tile(item_id)).why()
    if as_json:
        show_json(reasons.to_dict())
    else:
        typer.echo(str(reasons))


def blockers(
    aoi: Name,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of blockers.")] = 20,
    as_json: AsJSON = False,
    url: URL = None,
) -> None:
    """List the items that hold back most tiles of an AOI; the repair of the first one lets most tiles start."""
    with connect(url) as m:
        frame = m[aoi].blockers(limit)
    rows = frame.astype(object).to_dict(orient="records")
    if as_json:
        show_json(rows)
        return
    columns = ["startable", "blocked", "kind", "id", "status", "message_template"]
    show_table([*columns[:-1], "message"], [[row[name] for name in columns] for row in rows], wide="message")
