"""Failure model of the simulation: failure modes, their rates, and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from workflow_monitor.demo.ingestions import RETRY_COUNT
from workflow_monitor.demo.rng import chance

#: success rate of a manual retry
REPAIRED = 0.7


class FailureMode(StrEnum):
    """Behaviour of an item over all its attempts."""

    NONE = "none"
    #: fails the first time only
    TRANSIENT = "transient"
    #: fails until the automatic retries are used up; needs a manual retry
    PERSISTENT = "persistent"
    #: the worker reports FAILED
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
    """The fields of a job that the simulation reads."""

    kind: str
    id: int
    scene: str
    #: empty for the download of a scene
    tile: str
    attempt: int

    @classmethod
    def of_job(cls, kind: str, payload: Mapping[str, object], attempt: int) -> Work:
        """Parse a job message of the downloader (`kind` "scene") or the processor ("tile"). Raises TypeError."""
        identity, name = payload["id"], str(payload["source_id"])
        if not isinstance(identity, int):
            raise TypeError(f"the id of a {kind} must be an integer, not {identity!r}")
        if kind == "scene":
            return cls(kind, identity, name, "", attempt)
        scene = payload.get("scene")
        return cls(kind, identity, str(scene["source_id"]) if isinstance(scene, Mapping) else "", name, attempt)


def failure_mode_of(work: Work, seed: int) -> FailureMode:
    """Return the failure mode of an item, the same for all its attempts."""
    rest = chance(seed, "trouble", work.scene, work.tile).random()
    for mode, rate in RATES[work.kind].items():
        if rest < rate:
            return mode
        rest -= rate
    return FailureMode.NONE


def outcome(work: Work, seed: int) -> tuple[str, str]:
    """Return status and message of an attempt."""
    mode = failure_mode_of(work, seed)
    rng = chance(seed, "outcome", work.scene, work.tile, work.attempt)
    fails = {
        FailureMode.NONE: False,
        FailureMode.TRANSIENT: work.attempt <= 1,
        FailureMode.PERSISTENT: work.attempt <= 1 + RETRY_COUNT or rng.random() > REPAIRED,
        FailureMode.FATAL: True,
    }[mode]
    if not fails:
        return "DONE", ""
    message_rng = chance(seed, "words", work.scene, work.tile)
    message = message_rng.choice(MESSAGES[work.kind, mode]).format(
        scene=work.scene,
        tile=work.tile,
        workdir=f"/tmp/{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}",  # noqa: S108 - a made-up path
        archive=f"https://archive.example.org/odata/v1/Products({rng.getrandbits(64):016x})/$value",
        job=rng.randint(1000, 9999),
        byte=rng.randint(2, 254),
        port=rng.randint(30_000, 60_000),
    )
    return ("FAILED" if mode is FailureMode.FATAL else "RETRY"), message


def seconds_of(work: Work, seed: int) -> float:
    """Return the duration (seconds) of an attempt: mostly a few seconds, rarely longer than a lease."""
    rng = chance(seed, "seconds", work.scene, work.tile, work.attempt)
    usual = rng.lognormvariate(1.2, 0.5) if work.kind == "scene" else rng.lognormvariate(0.9, 0.4)
    return usual * (10 if rng.random() < 0.01 else 1)
