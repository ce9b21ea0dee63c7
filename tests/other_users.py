"""Files as another user would leave them."""

from __future__ import annotations

import os
from pathlib import Path

OTHER_USER = 65534


def make_foreign(path: Path) -> str:
    """Give a file to another user and return the reason to distrust it.

    Only root can do so; the tests of other users open the file for writing by all users.
    """
    if os.geteuid() == 0:
        os.chown(path, OTHER_USER, OTHER_USER)
        return f"it belongs to user {OTHER_USER}"
    path.chmod(0o666)
    return "all users can write it (mode 666)"
