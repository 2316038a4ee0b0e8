"""What `torchrun` says to each process that it starts; needs no torch, and holds before the processes have met."""

from __future__ import annotations

import os


def is_first() -> bool:
    """Whether this process is the first of all; True without `torchrun`."""
    return os.environ.get("RANK", "0") == "0"


def is_first_of_host() -> bool:
    """Whether this process is the first of those on this machine; True without `torchrun`."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
