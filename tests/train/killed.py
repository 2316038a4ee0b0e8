"""`negagen` in a process that kills itself once so many steps are on record: at the same step on any machine.

python -m tests.train.killed STEPS finetune ...
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from negagen.cli import main
from negagen.train import metrics


def killed_after(steps: int, arguments: Sequence[str]) -> int:
    """Run `negagen` with these arguments, to be killed; its exit status."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-m", "tests.train.killed", str(steps), *arguments], env=environment, check=False
    ).returncode


class _Deadly(metrics.Jsonl):
    left = 0

    def write(self, record: Mapping[str, Any]) -> None:
        super().write(record)
        _Deadly.left -= record["kind"] == "step"
        if not _Deadly.left:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _Deadly.left = int(sys.argv.pop(1))
    metrics.Jsonl = _Deadly  # type: ignore[misc]
    main()
