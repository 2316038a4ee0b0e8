"""Ctrl-C, which a terminal sends to a process and all its workers alike, is for the process alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def ctrl_c_later() -> Iterator[None]:
    """Processes started here never hear Ctrl-C, from their first moment on; this one hears of it afterwards."""
    if sys.platform == "win32":
        yield
        return
    # Started by itself with the first process, it would let the signal through for all that come after.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
