from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from negagen.batch.interrupts import ctrl_c_later


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_heard_afterwards_also_beside_other_threads() -> None:
    """The system gives the signal to any thread that does not block it, and Python answers it in the main one."""
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    seen = []

    def interrupt() -> None:
        with ctrl_c_later():
            noting = signal.getsignal(signal.SIGINT)
            assert callable(noting)

            def note(number: int, frame: FrameType | None) -> None:
                noting(number, frame)
                seen.append("the signal")

            signal.signal(signal.SIGINT, note)
            os.kill(os.getpid(), signal.SIGINT)
            limit = time.monotonic() + 60
            while not seen and time.monotonic() < limit:
                time.sleep(0.01)
            seen.append("the end")

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    finally:
        over.set()
        other.join()
    assert seen == ["the signal", "the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_processes_started_within_do_not_hear_of_it() -> None:
    with ctrl_c_later():
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    process.communicate(b"\n", timeout=60)
    assert process.returncode == 0
