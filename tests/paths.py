"""Folders of the checkout that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: example documents of catalogues, scenes and tiles
DATA = ROOT / "tests" / "data"
