"""Orbit model of Sentinel-1: passes, frames and bursts.

The satellites fly 175 orbits in 12 days, image to the right, and in IW mode cover 250 km in three swaths of bursts.
The model gives footprints and acquisition times to about 10 km.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Point = tuple[float, float]

ORBITS_PER_CYCLE = 175
CYCLE = timedelta(days=12)
ORBIT_SECONDS = CYCLE.total_seconds() / ORBITS_PER_CYCLE
INCLINATION = math.radians(98.18)
EARTH_RADIUS_KM = 6371.0

#: longitude (degrees) of the ascending node of relative orbit 44
NODE_LONGITUDE_44 = 16.6
DEGREES_PER_ORBIT = 360 * 12 / ORBITS_PER_CYCLE

#: absolute orbit and time of an ascending node of relative orbit 44, by mission
_S1A_NODE = datetime(2022, 1, 11, 16, 46, 37, 510_000, tzinfo=UTC)
EPOCHS = {"S1A": (41416, _S1A_NODE), "S1B": (30345, _S1A_NODE - timedelta(days=6))}

BURST_SECONDS = 2.758273
BURSTS_PER_FRAME = 9
FRAME_SECONDS = BURSTS_PER_FRAME * BURST_SECONDS
#: seconds from the ascending node to the start of an IW1 burst; other bursts are whole bursts away
BURST_PHASE = 886.86
FRAME_OF_PHASE = 17

#: distance from the ground track to the near edge of the image, and width of the image
NEAR_EDGE_KM = 495.0
IMAGE_WIDTH_KM = 260.0


@dataclass(frozen=True, slots=True, order=True)
class Frame:
    """Nine consecutive bursts of a relative orbit, the extent of one product."""

    relative_orbit: int
    #: counted along the orbit
    number: int

    @property
    def start(self) -> float:
        """Seconds after the ascending node."""
        return BURST_PHASE + (self.number - FRAME_OF_PHASE) * FRAME_SECONDS

    @property
    def ascending(self) -> bool:
        return self.start < ORBIT_SECONDS / 4

    @property
    def footprint(self) -> list[Point]:
        """Closed ring of longitudes and latitudes (EPSG:4326), counter-clockwise as in RFC 7946."""
        near, far, end = NEAR_EDGE_KM, NEAR_EDGE_KM + IMAGE_WIDTH_KM, self.start + FRAME_SECONDS
        edges = [(self.start, near), (self.start, far), (end, far), (end, near), (self.start, near)]
        return [ground(self.relative_orbit, seconds, right_km) for seconds, right_km in edges]

    @property
    def centre(self) -> Point:
        return ground(self.relative_orbit, self.start + FRAME_SECONDS / 2, NEAR_EDGE_KM + IMAGE_WIDTH_KM / 2)


@dataclass(frozen=True, slots=True)
class Burst:
    """Burst of a swath, the extent of one tile."""

    frame: Frame
    swath: str
    #: counted in the frame, from 1
    number: int

    @property
    def start(self) -> float:
        return self.frame.start + (self.number - 1) * BURST_SECONDS

    @property
    def name(self) -> str:
        """Burst name: direction and relative orbit, swath, tenths of seconds after the ascending node.

        >>> Burst(Frame(44, 17), "IW1", 4).name
        'A44_IW1_8951'
        """
        direction = "A" if self.frame.ascending else "D"
        return f"{direction}{self.frame.relative_orbit}_{self.swath}_{round(self.start * 10)}"


def relative_orbit(mission: str, orbit: int) -> int:
    """Return the relative orbit (1 to 175) of an absolute orbit.

    >>> relative_orbit("S1A", 41416)
    44
    """
    return (orbit - {"S1A": 73, "S1B": 27}[mission]) % ORBITS_PER_CYCLE + 1


def orbit_on(mission: str, relative: int, cycle: int) -> int:
    """Return the absolute orbit of a relative orbit, `cycle` cycles of 12 days after January 2022."""
    return EPOCHS[mission][0] + (relative - 44) + cycle * ORBITS_PER_CYCLE


def time_of(mission: str, orbit: int, seconds: float) -> datetime:
    """Return the time (UTC) `seconds` after the ascending node of an absolute orbit."""
    epoch, node = EPOCHS[mission]
    return node + (orbit - epoch) * timedelta(seconds=ORBIT_SECONDS) + timedelta(seconds=seconds)


def frames_over(west: float, south: float, east: float, north: float) -> Iterator[Frame]:
    """Yield the frames with their centre in a box (degrees) of the northern hemisphere, orbit by orbit."""
    last = FRAME_OF_PHASE + int((ORBIT_SECONDS / 2 - BURST_PHASE) / FRAME_SECONDS)
    for relative in range(1, ORBITS_PER_CYCLE + 1):
        for number in range(1, last):
            frame = Frame(relative, number)
            longitude, latitude = frame.centre
            if west <= longitude <= east and south <= latitude <= north:
                yield frame


def ground(relative: int, seconds: float, right_km: float) -> Point:
    """Return longitude and latitude (degrees) `right_km` to the right of the ground track."""
    longitude, latitude = _track(relative, seconds)
    ahead_longitude, ahead_latitude = _track(relative, seconds + 1)
    turn = ahead_longitude - longitude
    heading = math.atan2(
        math.sin(turn) * math.cos(ahead_latitude),
        math.cos(latitude) * math.sin(ahead_latitude) - math.sin(latitude) * math.cos(ahead_latitude) * math.cos(turn),
    )
    right, angle = heading + math.pi / 2, right_km / EARTH_RADIUS_KM
    sine = math.sin(latitude) * math.cos(angle) + math.cos(latitude) * math.sin(angle) * math.cos(right)
    longitude += math.atan2(
        math.sin(right) * math.sin(angle) * math.cos(latitude), math.cos(angle) - math.sin(latitude) * sine
    )
    return round((math.degrees(longitude) + 180) % 360 - 180, 6), round(math.degrees(math.asin(sine)), 6)


def _track(relative: int, seconds: float) -> Point:
    """Return longitude and latitude (radians) of the ground track."""
    angle = 2 * math.pi * seconds / ORBIT_SECONDS
    node = NODE_LONGITUDE_44 - (relative - 44) * DEGREES_PER_ORBIT - 360 * seconds / 86_400
    longitude = math.radians(node) + math.atan2(math.cos(INCLINATION) * math.sin(angle), math.cos(angle))
    return longitude, math.asin(math.sin(INCLINATION) * math.sin(angle))
