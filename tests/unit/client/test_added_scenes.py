"""Result of adding scenes."""

from __future__ import annotations

import pytest
from IPython.core.formatters import DisplayFormatter

from workflow_monitor.client.added_scenes import AddedScenes


@pytest.mark.parametrize(
    ("added", "existing", "text"),
    [
        ({"a": 1}, {}, "1 scenes added: {'a': 1}"),
        ({}, {"a": 1, "b": 2}, "0 scenes added, 2 existing skipped"),
        (
            {f"S{index}": index for index in range(2_000)},
            {},
            "2,000 scenes added: {'S0': 0, 'S1': 1, 'S2': 2, 'S3': 3, 'S4': 4, …}",
        ),
    ],
)
def test_a_notebook_shows_counts_and_the_first_ids(added: dict[str, int], existing: dict[str, int], text: str) -> None:
    result = AddedScenes(added, existing)
    data, _ = DisplayFormatter().format(result)  # type: ignore[no-untyped-call]
    assert data["text/plain"] == text
    assert (dict(result), result.existing) == (added, existing)
