"""Which products and tiles make trouble, how, and what their workers say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from workflow_monitor.demo.ingestions import RETRY_COUNT
from workflow_monitor.demo.rng import chance

#: A retry by hand helps this often.
REPAIRED = 0.7


class FailureMode(StrEnum):
    """How an item behaves over all its attempts."""

    NONE = "none"
    #: fails the first time only
    TRANSIENT = "transient"
    #: fails until the server stops trying; then it is for a person to retry
    PERSISTENT = "persistent"
    #: is given up by its worker
    FATAL = "fatal"


RATES: Mapping[str, Mapping[FailureMode, float]] = {
    "scene": {FailureMode.TRANSIENT: 0.06, FailureMode.PERSISTENT: 0.025, FailureMode.FATAL: 0.015},
    "tile": {FailureMode.TRANSIENT: 0.04, FailureMode.PERSISTENT: 0.01, FailureMode.FATAL: 0.005},
}

MESSAGES: Mapping[tuple[str, FailureMode], Sequence[str]] = {
    ("scene", FailureMode.TRANSIENT): (
        "ProcessScene[{scene}].ImageProviders.URLImageProvider: Get {archive}: context deadline exceeded",
        "ProcessScene[{scene}].ImageProviders.ASFImageProvider: Get {archive}: status 503 Service Unavailable",
        (
            "ProcessScene[{scene}].ImageProviders.CopernicusImageProvider: read tcp 10.4.0.{byte}:{port}: "
            "connection reset by peer"
        ),
        "ProcessScene[{scene}].Unarchive: unexpected EOF in {workdir}/{scene}.zip",
    ),
    ("scene", FailureMode.PERSISTENT): (
        (
            "ProcessScene.ImageProviders.URLImageProvider: unable to retrieve download Link: scene metadata is empty\n"
            " Product not found or unavailable: {scene}"
        ),
        "ProcessScene[{scene}].ImageProviders.CopernicusImageProvider: Get {archive}: status 404 Not Found",
        "ProcessScene[{scene}].SaveScene: write {workdir}/{scene}/measurement/{byte}.tiff: no space left on device",
        "ProcessScene[{scene}].NewStorage: badly formatted storage uri",
    ),
    ("scene", FailureMode.FATAL): (
        "ProcessScene[{scene}].ImageProviders: product was withdrawn from the archive: status 410 Gone",
        "ProcessScene[{scene}].Unarchive: zip: not a valid zip file: {workdir}/{scene}.zip",
    ),
    ("tile", FailureMode.TRANSIENT): (
        "ProcessTile[{tile}].graph.Process[{job}]: context deadline exceeded",
        "ProcessTile[{tile}].ImportLayer {workdir}/{scene}/{tile}.dim: i/o timeout",
        "ProcessTile[{tile}].graph.Process[{job}]: signal: killed",
    ),
    ("tile", FailureMode.PERSISTENT): (
        (
            "ProcessTile[{tile}].LoadGraphFromFile.stat library/graph/ExtractS2Bands.json: no such file or directory\n"
            " badly formatted storage uri"
        ),
        "ProcessTile[{tile}].graph.Process[{job}]: exit status 1",
        "ProcessTile[{tile}].ExportLayer: write {workdir}/{scene}/{tile}.tif: no space left on device",
        "ProcessTile[{tile}].ImportLayer: open {workdir}/{scene}/{tile}.dim: no such file or directory",
    ),
    ("tile", FailureMode.FATAL): (
        "ProcessTile[{tile}].graph.Process[{job}]: exit status 255: the burst does not overlap with its reference",
    ),
}


@dataclass(frozen=True, slots=True)
class Work:
    """What a job asks for, as far as the simulation looks into it."""

    kind: str
    id: int
    scene: str
    #: empty if the work is a scene's download
    tile: str
    attempt: int

    @classmethod
    def of_job(cls, kind: str, payload: Mapping[str, object], attempt: int) -> Work:
        """The work of a job message of the downloader (`kind` "scene") or of the processor ("tile")."""
        identity, name = payload["id"], str(payload["source_id"])
        if not isinstance(identity, int):
            raise TypeError(f"the id of a job's {kind} is a number, not {identity!r}")
        if kind == "scene":
            return cls(kind, identity, name, "", attempt)
        scene = payload.get("scene")
        return cls(kind, identity, str(scene["source_id"]) if isinstance(scene, Mapping) else "", name, attempt)


def failure_mode_of(work: Work, seed: int) -> FailureMode:
    """How this scene or tile behaves; the same for all its attempts."""
    rest = chance(seed, "trouble", work.scene, work.tile).random()
    for trouble, rate in RATES[work.kind].items():
        if rest < rate:
            return trouble
        rest -= rate
    return FailureMode.NONE


def outcome(work: Work, seed: int) -> tuple[str, str]:
    """The status and the message that the worker reports at this attempt."""
    trouble = failure_mode_of(work, seed)
    luck = chance(seed, "outcome", work.scene, work.tile, work.attempt)
    fails = {
        FailureMode.NONE: False,
        FailureMode.TRANSIENT: work.attempt <= 1,
        FailureMode.PERSISTENT: work.attempt <= 1 + RETRY_COUNT or luck.random() > REPAIRED,
        FailureMode.FATAL: True,
    }[trouble]
    if not fails:
        return "DONE", ""
    same_words = chance(seed, "words", work.scene, work.tile)
    message = same_words.choice(MESSAGES[work.kind, trouble]).format(
        scene=work.scene,
        tile=work.tile,
        workdir=f"/tmp/{luck.getrandbits(32):08x}-{luck.getrandbits(16):04x}",  # noqa: S108 - a made-up path
        archive=f"https://archive.example.org/odata/v1/Products({luck.getrandbits(64):016x})/$value",
        job=luck.randint(1000, 9999),
        byte=luck.randint(2, 254),
        port=luck.randint(30_000, 60_000),
    )
    return ("FAILED" if trouble is FailureMode.FATAL else "RETRY"), message


def seconds_of(work: Work, seed: int) -> float:
    """How long the attempt takes: mostly a few seconds, now and then much longer than a lease."""
    luck = chance(seed, "seconds", work.scene, work.tile, work.attempt)
    usual = luck.lognormvariate(1.2, 0.5) if work.kind == "scene" else luck.lognormvariate(0.9, 0.4)
    return usual * (10 if luck.random() < 0.01 else 1)
