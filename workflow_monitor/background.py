"""Background threads of the server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class RestartingThread:
    """Daemon thread that calls a function repeatedly until `close`.

    The function receives the event that `close` sets, and must return soon after. After an exception, the thread logs it
    and calls the function again in `restart_delay` seconds.
    """

    def __init__(self, name: str, run: Callable[[threading.Event], None], restart_delay: float) -> None:
        self._run_once = run
        self._restart_delay = restart_delay
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait until it has ended."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._run_once(self._closing)
            except Exception:  # a background service must survive any failure
                log.exception(
                    "background_thread_failed name=%s restart_seconds=%g", self._thread.name, self._restart_delay
                )
                self._closing.wait(self._restart_delay)
