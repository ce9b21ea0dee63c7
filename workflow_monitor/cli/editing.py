"""Commands that create and delete AOIs, add scenes, and show and change single items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow_monitor.cli.ingestion import URL, Actor, AsJSON, Name, Yes, connect
from workflow_monitor.cli.tables import show_json, show_lines, show_table
from workflow_monitor.client.added_scenes import Existing, Invalid
from workflow_monitor.client.items import Scene, Tile
from workflow_monitor.documents.stac import Tiling
from workflow_monitor.domain.errors import escape_control_characters

SceneId = Annotated[int | None, typer.Option("--scene", help="The id of a scene.", show_default=False)]
TileId = Annotated[int | None, typer.Option("--tile", help="The id of a tile.", show_default=False)]

_HISTORY = ("time", "kind", "id", "before", "after", "cause", "who", "message")


def create(aoi: Name, as_json: AsJSON = False, url: URL = None, actor: Actor = None) -> None:
    """Create an AOI."""
    with connect(url, actor) as m:
        name = m.create(aoi).name
    if as_json:
        show_json({"name": name})
    else:
        typer.echo(f"The AOI {escape_control_characters(name)} was created.")


def delete(aoi: Name, yes: Yes = False, as_json: AsJSON = False, url: URL = None, actor: Actor = None) -> None:
    """Delete an AOI with its scenes, tiles and history, after a confirmation."""
    with connect(url, actor) as m:
        target = m[aoi]
        scenes, tiles = target.overview.scenes.total(), target.overview.tiles.total()
        name = escape_control_characters(target.name)
        if not yes:
            typer.confirm(
                f"Delete {name} with {scenes:,} scenes and {tiles:,} tiles? This cannot be undone.",
                abort=True,
                err=True,
            )
        target.delete(confirm=target.name)
    if as_json:
        show_json({"name": target.name, "scenes": scenes, "tiles": tiles})
    else:
        typer.echo(f"The AOI {name} was deleted with {scenes:,} scenes and {tiles:,} tiles.")


def add(  # noqa: PLR0913, PLR0917 - each is an option of the command
    aoi: Name,
    file: Annotated[
        Path,
        typer.Argument(
            help="The file: scenes as JSON or JSON lines, a catalogue or STAC items as GeoJSON, or GeoParquet."
        ),
    ],
    existing: Annotated[
        Existing, typer.Option(help="For scenes that the AOI already has: add none of the file, or skip them.")
    ] = "refuse",
    invalid: Annotated[
        Invalid, typer.Option(help="For invalid scenes: add none of the file, or skip them.")
    ] = "refuse",
    tiles: Annotated[
        Tiling | None, typer.Option(help="The tile of a STAC item: the item, its MGRS square or its burst.")
    ] = None,
    as_json: AsJSON = False,
    url: URL = None,
    actor: Actor = None,
) -> None:
    """Add the scenes of a file to an AOI, all or none."""
    with connect(url, actor) as m:
        added = m[aoi].add_scenes(file, tiles=tiles, existing=existing, invalid=invalid)
    if as_json:
        show_json({"ids": added, "existing": added.existing, "invalid": dict(added.invalid)})
        return
    skipped = f"; {len(added.existing):,} that the AOI already has were skipped" if added.existing else ""
    skipped += f"; {len(added.invalid):,} invalid ones were skipped" if added.invalid else ""
    typer.echo(f"{len(added):,} scenes were added{skipped}.")
    for name, reason in added.invalid:
        typer.echo(escape_control_characters(f"{name}: {reason}"), err=True)


def history(  # noqa: PLR0913, PLR0917 - each is an option of the command
    aoi: Name,
    scene: SceneId = None,
    tile: TileId = None,
    since: Annotated[str | None, typer.Option(help="Start (inclusive), in UTC without an offset.")] = None,
    until: Annotated[str | None, typer.Option(help="End (exclusive).")] = None,
    status: Annotated[str | None, typer.Option(help="Only transitions to this status.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first transitions.", show_default="all")] = None,
    as_json: AsJSON = False,
    url: URL = None,
) -> None:
    """List the transitions of an AOI, or of one of its scenes or tiles, in order."""
    kind, item_id = (None, None) if scene is None and tile is None else _chosen(scene, tile)
    with connect(url) as m:
        frame = m[aoi].history(since=since, until=until, kind=kind, id=item_id, status=status, limit=limit)
    events: list[Any] = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    if as_json:
        show_json(events)
        return
    show_table(_HISTORY, [[event[name] for name in _HISTORY] for event in events], wide="message")


def show(scene: SceneId = None, tile: TileId = None, as_json: AsJSON = False, url: URL = None) -> None:
    """Show a scene or tile."""
    kind, item_id = _chosen(scene, tile)
    with connect(url) as m:
        item = _item(m, kind, item_id)
    if as_json:
        show_json(item.document)
    else:
        show_lines(str(item))


def data(
    scene: SceneId = None,
    tile: TileId = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Set a field, such as graph_name=Other or tags.orbit=44. A value in JSON keeps its type. Repeatable.",
        ),
    ] = None,
    removed: Annotated[
        list[str] | None, typer.Option("--remove", metavar="FIELD", help="Remove a field. Repeatable.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--replace", help="Replace all data by a JSON file.", dir_okay=False, exists=True),
    ] = None,
    url: URL = None,
    actor: Actor = None,
) -> None:
    """Print the data of a scene or tile as JSON, after the changes of --set, --remove or --replace."""
    kind, item_id = _chosen(scene, tile)
    patch = _patch(fields or [], removed or [])
    if patch and file is not None:
        raise typer.BadParameter("--replace and --set or --remove exclude each other.")
    with connect(url, actor) as m:
        item = _item(m, kind, item_id)
        if file is not None:
            item.replace_data(_json_object(file))
        elif patch:
            item.update_data(patch)
        show_json(item.data)


def _chosen(scene: int | None, tile: int | None) -> tuple[str, int]:
    if scene is not None and tile is None:
        return "scene", scene
    if tile is not None and scene is None:
        return "tile", tile
    raise typer.BadParameter("Name one item by --scene or --tile.")


def _item(m: Any, kind: str, item_id: int) -> Scene | Tile:  # noqa: ANN401 - a Monitor
    item: Scene | Tile = m.scene(item_id) if kind == "scene" else m.tile(item_id)
    return item


def _patch(fields: list[str], removed: list[str]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) of the options; a dot in a name leads into a field."""
    patch: dict[str, Any] = {}
    for field in fields:
        name, separator, text = field.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{field!r} is not FIELD=VALUE.", param_hint="--set")
        _put(patch, name, _value(text))
    for name in removed:
        _put(patch, name, None)
    return patch


def _put(patch: dict[str, Any], path: str, value: object) -> None:
    outer, dot, inner = path.partition(".")
    if not dot:
        patch[outer] = value
        return
    member = patch.setdefault(outer, {})
    if not isinstance(member, dict):
        raise typer.BadParameter(f"{outer} is set twice.")
    _put(member, inner, value)


def _value(text: str) -> object:
    """Return a JSON value, or the text itself if it is no JSON."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _json_object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}.", param_hint="--replace") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{file} has no JSON object.", param_hint="--replace")
    return value
