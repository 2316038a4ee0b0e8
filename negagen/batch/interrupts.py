"""Ctrl-C, which a terminal sends to a process and all its workers alike, is for the process alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, resource_tracker


@contextmanager
def ctrl_c_later() -> Iterator[None]:
    """Processes started here never hear Ctrl-C, from their first moment on; this one hears of it afterwards."""
    if sys.platform == "win32":
        yield
        return
    # Started by itself with the first process, it would let the signal through for all that come after.
    resource_tracker.ensure_running()
    with _noted():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _noted() -> Iterator[None]:
    """Note a Ctrl-C and answer it afterwards: blocked here, it still reaches the main thread by way of any other."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if noted:
            signal.raise_signal(signal.SIGINT)


def end_with_parent() -> None:
    """For a worker: from now on it ends when the process that started it has ended, however that came."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)  # at once: a later run may already be using the folder of parts
