"""The three example AOIs, as documents of `POST /aoi/{aoi}/scenes`; the same seed gives the same documents.

The products follow public facts: naming rules, orbits with their repeat cycles and coverage, and the dates of the
processing baselines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from workflow_monitor.demo.rng import chance
from workflow_monitor.demo.sentinel1 import FRAME_SECONDS, Burst, Frame, Point, frames_over, orbit_on, time_of

Document = dict[str, object]

#: automatic retries per item
RETRY_COUNT = 1

#: West, south, east, north.
DENMARK = (8.3, 54.6, 11.5, 57.6)
NORTHERN_EUROPE = (5.0, 54.5, 31.0, 71.0)
DATES_OF_LARGE = 25
BURSTS_OF_DENMARK = (("IW1", 4), ("IW1", 5), ("IW1", 6), ("IW2", 4), ("IW2", 5))
BURSTS_OF_LARGE = (("IW1", 2), ("IW1", 6), ("IW2", 4), ("IW3", 2), ("IW3", 6))
S1_CONFIG = {"bkg_resampling": "BISINC_5_POINT_INTERPOLATION", "projection": "EPSG:32632", "snap_cpu_parallelism": "8"}
S1_LAYERS = ("sigma0_VV", "sigma0_VH", "coh_VV", "coh_VH")
#: by mission: absolute orbit, data take id at that orbit, data takes per orbit
DATA_TAKES = {"S1A": (41416, 0x04ECAD, 8.57), "S1B": (30345, 0x039FA1, 8.57)}

#: MGRS cells per relative orbit of Sentinel-2
S2_CELLS = {108: ("32UNG", "32VNH", "32UPG"), 8: ("32UMG", "32UNG", "32VNH"), 65: ("32UPG", "33UUB")}
S2_LAYERS = tuple(f"B{band:02}" for band in range(1, 13))
S2_ORBIT = timedelta(days=10) / 143
#: A pass of S2A in relative orbit 108; S2B follows 5 days later.
S2_PASS = datetime(2022, 1, 4, 10, 34, 31, 24_000, tzinfo=UTC)
#: start of processing baseline 04.00
S2_BASELINE_0400 = datetime(2022, 1, 25, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ingestion:
    """An AOI and its scenes, earliest first."""

    aoi: str
    about: str
    scenes: Sequence[Document]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Pass of a satellite over the frames, in a cycle of 12 days; cycle 0 is in January 2022."""

    mission: str
    cycle: int


def examples(scenes: int = 2000, seed: int = 1) -> list[Ingestion]:
    """Return the three AOIs; `scenes` is the size of the large one, and 0 omits it."""
    small = [denmark_s1(seed), denmark_s2(seed)]
    return [*small, northern_europe_s1(scenes, seed)] if scenes > 0 else small


def denmark_s1(seed: int = 1, dates: int = 6) -> Ingestion:
    """Return Sentinel-1A products over Denmark every 12 days, with a chain per burst of each frame."""
    passes = [Acquisition("S1A", cycle) for cycle in range(dates)]
    frames = [*frames_over(*DENMARK)]
    chains = Chains("DenmarkS1", "Denmark", passes, BURSTS_OF_DENMARK, seed, wkt=False)
    scenes = [chains.scene(number, frame) for number in range(dates) for frame in frames]
    return Ingestion("DenmarkS1", "Sentinel-1 burst chains over Denmark", _by_date(scenes))


def northern_europe_s1(scenes: int = 2000, seed: int = 1) -> Ingestion:
    """Return the large AOI: Sentinel-1A and 1B over Northern Europe, every 6 days until November 2021."""
    tracks: dict[int, list[Frame]] = {}
    for frame in frames_over(*NORTHERN_EUROPE):
        tracks.setdefault(frame.relative_orbit, []).append(frame)
    order = sorted(tracks)
    chance(seed, "tracks").shuffle(order)
    frames = [frame for relative in order for frame in tracks[relative]][: -(-scenes // DATES_OF_LARGE)]
    dates = -(-scenes // len(frames))
    first = -5 - dates // 2
    passes = [Acquisition(("S1A", "S1B")[date % 2], first + (date + 1) // 2) for date in range(dates)]
    chains = Chains("NorthernEuropeS1", "Northern Europe", passes, BURSTS_OF_LARGE, seed, wkt=True)
    acquisitions = [(number, frame) for number in range(dates) for frame in frames][:scenes]
    documents = [chains.scene(number, frame) for number, frame in acquisitions]
    return Ingestion("NorthernEuropeS1", "Sentinel-1 over Northern Europe", _by_date(documents))


def denmark_s2(seed: int = 1, rounds: int = 6) -> Ingestion:
    """Return Sentinel-2 granules over Denmark, with independent tiles."""
    scenes = [
        _s2_scene(("S2A", "S2B")[turn % 2], relative, cell, start, seed)
        for turn in range(rounds)
        for relative, cells in S2_CELLS.items()
        for start in [S2_PASS + timedelta(days=5) * turn + (relative - 108) % 143 * S2_ORBIT]
        for cell in cells
    ]
    return Ingestion("DenmarkS2", "Sentinel-2 granules over Denmark", _by_date(scenes))


# --- Sentinel-1


@dataclass(frozen=True, slots=True)
class Chains:
    """Time series over fixed frames; each burst links to the same burst of the previous date."""

    aoi: str
    area: str
    passes: Sequence[Acquisition]
    bursts: Sequence[tuple[str, int]]
    seed: int
    #: write footprints as WKT instead of GeoJSON
    wkt: bool

    def scene(self, number: int, frame: Frame) -> Document:
        """Return the scene of a frame at the acquisition with index `number`."""
        acquisition = self.passes[number]
        name = s1_product(acquisition, frame, self.seed)
        orbit = orbit_on(acquisition.mission, frame.relative_orbit, acquisition.cycle)
        bursts = [Burst(frame, swath, of_frame) for swath, of_frame in self.bursts]
        footprint = _wkt(frame.footprint) if self.wkt else _geojson(frame.footprint)
        data = {
            **_scene_data(name, time_of(acquisition.mission, orbit, frame.start)),
            "tiles": {burst.name: {"swath_id": burst.swath, "tile_nr": burst.number} for burst in bursts},
            "graph_name": "S1Preprocessing",
            "graph_config": dict(S1_CONFIG),
            "instances_id": {layer: str(uuid5(NAMESPACE_URL, f"{self.aoi}/{layer}")) for layer in S1_LAYERS},
            "tags": self._tags(name, acquisition, orbit, frame),
            "wkt" if self.wkt else "geometry": footprint,
        }
        links = self._links(number, frame)
        tiles = {
            burst.name: {**_linked(burst.name, links), "data": _tile_data(burst.swath, burst.number)}
            for burst in bursts
        }
        return _document(self.aoi, name, data, tiles)

    def _links(self, number: int, frame: Frame) -> tuple[str, str] | None:
        """Return the products of the previous and the first date; None for the first date."""
        if number == 0:
            return None
        previous, first = self.passes[number - 1], self.passes[0]
        return s1_product(previous, frame, self.seed), s1_product(first, frame, self.seed)

    def _tags(self, name: str, acquisition: Acquisition, orbit: int, frame: Frame) -> dict[str, str]:
        published = time_of(acquisition.mission, orbit, frame.start) + timedelta(hours=1 + chance(name).random())
        return {
            **_tags(self.area, name, published),
            "constellation": "SENTINEL1",
            "lastOrbit": str(orbit),
            "lastRelativeOrbit": str(frame.relative_orbit),
            "orbit": str(orbit),
            "orbitDirection": "ASCENDING" if frame.ascending else "DESCENDING",
            "polarisationMode": "VV VH",
            "productType": "SLC",
            "relativeOrbit": str(frame.relative_orbit),
            "satellite": f"SENTINEL{acquisition.mission[1:]}",
            "sliceNumber": str(frame.number),
        }


def s1_product(acquisition: Acquisition, frame: Frame, seed: int = 1) -> str:
    """Return a product name: times, absolute orbit, data take, and a four-digit unique id.

    >>> s1_product(Acquisition("S1A", 0), Frame(44, 17))[:62]
    'S1A_IW_SLC__1SDV_20220111T170124_20220111T170151_041416_04ECAD'
    """
    orbit = orbit_on(acquisition.mission, frame.relative_orbit, acquisition.cycle)
    start = time_of(acquisition.mission, orbit, frame.start)
    stop = start + timedelta(seconds=FRAME_SECONDS + 2.3)
    at, takes, per_orbit = DATA_TAKES[acquisition.mission]
    take = takes + round((orbit - at) * per_orbit)
    name = f"{acquisition.mission}_IW_SLC__1SDV_{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}_{orbit:06}_{take:06X}"
    return f"{name}_{hashlib.sha256(f'{seed}/{name}'.encode()).hexdigest()[:4].upper()}"


# --- Sentinel-2


def _s2_scene(mission: str, relative: int, cell: str, start: datetime, seed: int) -> Document:
    """Return a granule without a footprint; its name contains the MGRS cell."""
    rng = chance(seed, mission, start, cell)
    baseline = "N0400" if start >= S2_BASELINE_0400 else "N0301"
    produced = start + timedelta(seconds=rng.randint(5400, 9000))
    name = f"{mission}_MSIL1C_{start:%Y%m%dT%H%M%S}_{baseline}_R{relative:03}_T{cell}_{produced:%Y%m%dT%H%M%S}"
    data = {
        **_scene_data(name, start),
        "tiles": {name: {"swath_id": "", "tile_nr": 0}},
        "graph_name": "CopyProductToStorage",
        "graph_config": {},
        "instances_id": {layer: str(uuid5(NAMESPACE_URL, f"DenmarkS2/{layer}")) for layer in S2_LAYERS},
        "tags": {
            **_tags("Denmark", name, produced + timedelta(minutes=rng.randint(20, 90))),
            "cloudCoverPercentage": f"{rng.triangular(0, 80, 60):.2f}",
            "constellation": "SENTINEL2",
            "orbitDirection": "DESCENDING",
            "productType": "S2MSI1C",
            "relativeOrbit": str(relative),
            "satellite": f"SENTINEL{mission[1:]}",
            "tile": cell,
        },
    }
    tile_data = {**_tile_data("", 0), "graph_name": "library/graph/ExtractS2Bands.json"}
    return _document("DenmarkS2", name, data, {name: {**_linked("", None), "data": tile_data}})


# --- parts of documents


def _document(aoi: str, name: str, data: Mapping[str, object], tiles: Mapping[str, object]) -> Document:
    return {"source_id": name, "aoi": aoi, "data": dict(data), "retry_count": RETRY_COUNT, "tiles": dict(tiles)}


def _scene_data(name: str, date: datetime) -> Document:
    return {
        "uuid": str(uuid5(NAMESPACE_URL, name)),
        "date": _rfc3339(date),
        "record_id": str(uuid5(NAMESPACE_URL, f"record/{name}")),
        "metadata": None,
        "is_retriable": True,
        "storage_uri": "",
    }


def _tile_data(swath: str, number: int) -> Document:
    return {"swath_id": swath, "tile_nr": number, "graph_name": "S1BackscatterCoherence", "is_retriable": True}


def _linked(tile: str, scenes: tuple[str, str] | None) -> dict[str, str]:
    """Return the links of a tile to its namesakes in the previous and the first scene."""
    previous, reference = scenes or ("", "")
    tile = tile if scenes else ""
    return {
        "previous_tile_id": tile,
        "previous_scene_id": previous,
        "reference_tile_id": tile,
        "reference_scene_id": reference,
    }


def _tags(area: str, name: str, published: datetime) -> dict[str, str]:
    return {
        "area": area,
        "ingestionDate": _rfc3339(published),
        "provider": "workflow-monitor",
        "source": "demo",
        "sourceID": name,
    }


def _rfc3339(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _geojson(ring: Iterable[Point]) -> Document:
    return {"type": "Polygon", "coordinates": [[list(point) for point in ring]]}


def _wkt(ring: Iterable[Point]) -> str:
    return f"POLYGON (({', '.join(f'{longitude} {latitude}' for longitude, latitude in ring)}))"


def _by_date(scenes: Iterable[Document]) -> list[Document]:
    """Sort scenes by date, so that links point backwards."""

    def date(scene: Document) -> str:
        data = scene["data"]
        assert isinstance(data, dict)  # noqa: S101 - built above
        return str(data["date"])

    return sorted(scenes, key=date)
