"""One of two processes of which one leaves; the other waits for it. `python -m tests.train.leaving HOW`."""

from __future__ import annotations

import os
import signal
import sys

import torch.distributed as dist

from negagen.errors import NegagenError, TrainingError
from negagen.train import distributed


def main(how: str) -> None:
    """Rank 1 raises, or is killed."""
    with distributed.process_group("cpu"):
        dist.barrier()
        if distributed.rank() == 1:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise TrainingError("rank 1 alone has too little memory")
        distributed.barrier()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except NegagenError as error:
        sys.exit(f"{type(error).__name__}: {error}")
