from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.documents.validation import CatalogueFeature, NewSceneFields, validate
from workflow_monitor.domain.errors import InvalidInput

POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0.5], [1, 1], [0, 0]]]}
TILE: dict[str, Any] = {"swath_id": "IW1", "tile_nr": 4, "graph_name": "S1", "is_retriable": True}
SCENE: dict[str, Any] = {
    "id": 0,
    "source_id": "S1A",
    "aoi": "A",
    "retry_count": 3,
    "data": {
        "uuid": "4c0e52b5-c96d-5bfc-b0f0-c78ed9c50d48",
        "date": "2022-01-04T10:34:31Z",
        "tiles": {"T": {"swath_id": "IW1", "tile_nr": 4}},
        "graph_name": "S1",
        "graph_config": {"projection": "EPSG:32632"},
        "instances_id": {"VV": "x"},
        "metadata": {"cloud": 1.5, "bands": ["B1"], "nested": {"a": None}},
        "is_retriable": False,
        "tags": {"orbit": 44, "cloud": 0.5, "ascending": True, "platform": "S1A", "none": None},
        "geometry": POLYGON,
    },
    "tiles": {"T": {"previous_tile_id": "T", "data": TILE}},
}
FEATURE: dict[str, Any] = {
    "type": "Feature",
    "geometry": POLYGON,
    "properties": {
        "source_id": "S1A",
        "data": SCENE["data"],
        "tags": {"orbit": "44"},
        "tiles": [{"SourceID": "T", "data": TILE, "previous": {"SceneID": "a", "SourceID": "T"}}],
    },
}
#: members that may hold any value
FREE = ("metadata", "geometry")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key not in FREE and (*path, key) != ("type",):
            yield from leaves(member, (*path, key))
    if not members and path:
        yield path


def written(path: tuple[Any, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


@pytest.mark.parametrize(("fields", "document"), [(NewSceneFields, SCENE), (CatalogueFeature, FEATURE)])
@given(st.data())
def test_only_the_wrong_fields_are_named(fields: type[msgspec.Struct], document: Any, data: st.DataObject) -> None:
    wrong = data.draw(st.sets(st.sampled_from(list(leaves(document))), min_size=1, max_size=5))
    changed = deepcopy(document)
    for *above, last in wrong:
        parent = changed
        for step in above:
            parent = parent[step]
        parent[last] = ["no field takes a list"]
    with pytest.raises(InvalidInput) as refusal:
        validate(changed, fields)
    assert {error.field for error in refusal.value.errors} == {written(path) for path in wrong}
    assert all(error.message.startswith("expected ") for error in refusal.value.errors)
    assert not any("expected ," in error.message for error in refusal.value.errors)


class Bounded(msgspec.Struct):
    first: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    last: Annotated[int, msgspec.Meta(ge=-9, le=0)] = 0


@pytest.mark.parametrize(
    ("value", "field"), [({"first": -1}, "first"), ({"last": 1}, "last"), ({"first": 10}, "first")]
)
def test_a_bound_of_zero_is_a_bound(value: object, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        validate(value, Bounded)
    assert [error.field for error in refusal.value.errors] == [field]


#: msgspec inspects a struct by functions of its module _utils; see `validation.thread_safe_struct`
FIRST_LOOKS = """
import sys

import msgspec
import workflow_monitor.server.extension

looks = []


def watch(frame, event, _):
    if event == "call" and frame.f_code.co_filename.endswith("msgspec/_utils.py"):
        looks.append(kind.__name__)


kinds = [kind for kind in msgspec.Struct.__subclasses__() if kind.__module__.startswith("workflow_monitor.")]
for kind in kinds:
    sys.setprofile(watch)
    try:
        msgspec.convert({}, kind)
    except msgspec.ValidationError:
        pass
    finally:
        sys.setprofile(None)
print(len(kinds) > 5, sorted(set(looks)))
"""


def test_no_thread_is_the_first_to_have_msgspec_look_into_a_class() -> None:
    program = subprocess.run([sys.executable, "-c", FIRST_LOOKS], capture_output=True, text=True, check=True)
    assert program.stdout == "True []\n"
