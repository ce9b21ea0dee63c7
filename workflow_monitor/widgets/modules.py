"""ES modules that stand beside the panels, put together as the one module that a widget may have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


@cache
def bundled(name: str) -> str:
    """A module with all that it imports before it, in one scope; names are therefore unique among the modules.

    Only `import { … } from "./other.js";` and `export` before a declaration are known.
    """
    return "\n".join(_IMPORT.sub("", _text(part)) for part in _in_order(name, []))


def _in_order(name: str, found: list[str]) -> list[str]:
    if name in found:
        return found
    for other in _IMPORT.findall((HERE / name).read_text(encoding="utf-8")):
        _in_order(other, found)
    found.append(name)
    return found


def _text(name: str) -> str:
    return f"// {name}\n" + _EXPORT.sub("", (HERE / name).read_text(encoding="utf-8"))
