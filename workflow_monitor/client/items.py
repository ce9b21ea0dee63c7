"""Single scenes and tiles: properties and actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from workflow_monitor.client import display
from workflow_monitor.client.api import Api
from workflow_monitor.client.waiting import Why
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from shapely.geometry.base import BaseGeometry


class Item:
    """Snapshot of a scene or tile; `refresh` reads it again."""

    kind: ClassVar[ItemKind]

    def __init__(self, api: Api, document: dict[str, Any]) -> None:
        self._api = api
        self._document = document

    @property
    def id(self) -> int:
        """Id of the item.

        >>> m.scene(1).id
        1
        """
        return int(self._document["id"])

    @property
    def source_id(self) -> str:
        """Source id: the product name of a scene, the name of a tile.

        >>> m.tile(1).source_id
        'A44_IW1_8951'
        """
        return str(self._document["source_id"])

    @property
    def status(self) -> Status:
        """Status of the item.

        >>> m.scene(1).status
        <Status.DONE: 'DONE'>
        """
        return Status.parse(self._document["status"])

    @property
    def message(self) -> str:
        """Message of the worker about the last failure; empty otherwise.

        >>> print(m.scene(3).message)
        ProcessScene.NewStorage: badly formatted storage uri
        """
        return str(self._document["message"])

    @property
    def retry_countdown(self) -> int:
        """Remaining automatic retries.

        >>> m.scene(1).retry_countdown
        0
        """
        return int(self._document["RetryCountDown"])

    @property
    def attempt(self) -> int | None:
        """Count of dispatches to a worker; None on a Geocube server.

        >>> m.scene(1).attempt
        1
        """
        return self._document.get("attempt")

    @property
    def document(self) -> dict[str, Any]:
        """Document of the item, as the server returns it.

        >>> sorted(m.scene(1).document)[:4]
        ['RetryCountDown', 'aoi', 'attempt', 'data']
        """
        return dict(self._document)

    @property
    def data(self) -> dict[str, Any]:
        """Payload from the catalogue.

        >>> m.tile(1).data["graph_name"]
        'S1BackscatterCoherence'
        """
        return dict(self._document["data"])

    @property
    def _scene(self) -> dict[str, Any]:
        return self._document

    @property
    def aoi(self) -> str:
        """Name of the AOI of the item.

        >>> m.tile(1).aoi
        'DenmarkS1'
        """
        return str(self._scene["aoi"])

    @property
    def date(self) -> datetime | None:
        """Acquisition time in UTC; None if missing.

        >>> m.scene(1).date.isoformat()
        '2022-01-11T17:01:24.370000+00:00'
        """
        text = str(self._scene["data"].get("date") or "")
        if not text or text.startswith("0001-"):
            return None
        return datetime.fromisoformat(text).astimezone(UTC)

    @property
    def geometry(self) -> BaseGeometry | None:
        """Footprint in EPSG:4326 (longitude, latitude); None if missing.

        >>> m.scene(1).geometry.geom_type
        'Polygon'
        """
        import shapely  # noqa: PLC0415 - only footprints need it

        text = self._api.geometry(self.kind, self.id)
        return shapely.from_geojson(text) if text else None

    def refresh(self) -> Self:
        """Read the item again and return it. Raises ItemNotFound.

        >>> m.scene(1).refresh().status
        <Status.DONE: 'DONE'>
        """
        self._document = self._api.item(self.kind, self.id)
        return self

    def retry(self, *, force: bool = False) -> Self:
        """Retry the item from RETRY, with `force` from any status. Raises NotRetriable.

        >>> m.scene(3).retry().status
        <Status.PENDING: 'PENDING'>
        """
        self._api.retry(self.kind, self.id, force=force)
        return self.refresh()

    def fail(self, *, force: bool = False) -> Self:
        """Fail the item from RETRY, with `force` from any status; its successors are relinked. Raises InvalidTransition.

        >>> m.tile(2).fail(force=True).status
        <Status.FAILED: 'FAILED'>
        """
        self._api.fail(self.kind, self.id, force=force)
        return self.refresh()

    def force(self, status: str | Status) -> Self:
        """Set the status of the item. Raises InvalidTransition.

        >>> m.scene(3).force("RETRY").status
        <Status.RETRY: 'RETRY'>
        """
        self._api.force(self.kind, self.id, Status.parse(str(status)))
        return self.refresh()

    def why(self) -> Why:
        """Return the reasons why the item waits: the items, jobs and failures in its way.

        >>> print(m.tile(11).why())
        tile 11 A44_IW1_8951 is NEW.
          tile 11 A44_IW1_8951 waits for tile 1 A44_IW1_8951 and scene 3 S1A_...
        Causes:
          scene 3 S1A_... is RETRY and waits for a retry: ProcessScene.NewStorage: badly formatted storage uri
          tile 1 A44_IW1_8951 is PENDING: its job is queued since ...
        """
        return Why(self._api.why(self.kind, self.id))

    def update_data(self, patch: Mapping[str, Any]) -> Self:
        """Change fields of the data (RFC 7396): nested mappings are merged, None removes a field. Raises InvalidInput.

        >>> m.tile(1).update_data({"graph_name": "Other"}).data["graph_name"]
        'Other'
        """
        self._api.set_data(self.kind, self.id, patch, merge=True)
        return self.refresh()

    def replace_data(self, data: Mapping[str, Any]) -> Self:
        """Replace all data of the item. Raises InvalidInput.

        >>> m.tile(1).replace_data(m.tile(1).data | {"graph_name": "S1BackscatterCoherence"}).data["graph_name"]
        'S1BackscatterCoherence'
        """
        self._api.set_data(self.kind, self.id, data, merge=False)
        return self.refresh()

    def history(self) -> pd.DataFrame:
        """Return a DataFrame of the transitions of the item, in order; see `AOI.history`.

        >>> m.scene(1).history()[["before", "after", "cause"]].astype(object).values.tolist()[-1]
        ['PENDING', 'DONE', 'result']
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - pandas loads on first use

        params: dict[str, str | int] = {"type": str(self.kind), "id": self.id}
        return frames.event_frame(self._api.history(self.aoi, params))

    def _facts(self) -> dict[str, object]:
        return {
            "AOI": self.aoi,
            "date": self.date.strftime("%Y-%m-%d %H:%M") if self.date else "-",
            "message": self.message or "-",
            "retries left": self.retry_countdown,
        }

    def __repr__(self) -> str:
        return f"<{self.kind.capitalize()} {self.id} {self.status} {escape_control_characters(self.source_id)}>"

    def __str__(self) -> str:
        return display.item_text(self.kind, self.id, self.source_id, self.status, self._facts())

    def _repr_html_(self) -> str:
        return display.item_html(self.kind, self.id, self.source_id, self.status, self._facts())


class Scene(Item):
    """A product to download."""

    kind = ItemKind.SCENE

    @property
    def tags(self) -> dict[str, Any]:
        """Tags of the product from the catalogue.

        >>> m.scene(1).tags["orbitDirection"]
        'ASCENDING'
        """
        return dict(self._document["data"].get("tags") or {})

    def tiles(self) -> gpd.GeoDataFrame:
        """Return a GeoDataFrame of the tiles of the scene, in EPSG:4326; see `AOI.tiles`.

        >>> m.scene(1).tiles()["source_id"].tolist()[:2]
        ['A44_IW1_8951', 'A44_IW1_8979']
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - see history

        return frames.item_frame(self._api.tiles_of(self.id), ItemKind.TILE)


class Tile(Item):
    """A piece of a scene to process."""

    kind = ItemKind.TILE

    @property
    def _scene(self) -> dict[str, Any]:
        scene: dict[str, Any] = self._document["scene"]
        return scene

    @property
    def previous(self) -> int | None:
        """Id of the previous tile in time at the same place; None for a root tile.

        >>> m.tile(m.tile(1).id).previous is None
        True
        """
        return self._document.get("PreviousID")

    @property
    def reference(self) -> int | None:
        """Id of the root tile of the chain; None for a root tile.

        >>> m.tile(1).reference is None
        True
        """
        return self._document.get("ReferenceID")

    @property
    def scene(self) -> Scene:
        """Scene of the tile.

        >>> m.tile(1).scene
        <Scene 1 DONE S1A_IW_SLC__1SDV_20220111T170124_20220111T170151_041416_04ECAD_...>
        """
        return Scene(self._api, self._api.item(ItemKind.SCENE, int(self._scene["id"])))

    def _facts(self) -> dict[str, object]:
        links = {
            "scene": self._scene["source_id"],
            "previous": self.previous or "-",
            "reference": self.reference or "-",
        }
        return {**super()._facts(), **links}
