"""Where figures go: a JSONL file always, TensorBoard and wandb if asked; and how they leave the device unawaited."""

from __future__ import annotations

import importlib.util
import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from negagen.atomic import explained, written_aside
from negagen.errors import TrainingError
from negagen.ruleset import nearest

FILE: Final = "metrics.jsonl"
SINKS: Final = ("tensorboard", "wandb")
T = TypeVar("T")


class Sink(Protocol):
    """Takes records: `step`, `kind` ("step", "evaluation", "curriculum") and figures by name."""

    def write(self, record: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class Jsonl:
    """One JSON object a line in `RUN/metrics.jsonl`, flushed line by line; what is no finite number is null there."""

    def __init__(self, run: Path) -> None:
        self._path = run / FILE
        with explained(self._path):
            self._file = self._path.open("a", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(_finite(record), allow_nan=False) + "\n"
        with explained(self._path):
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        with explained(self._path):  # what a full disk has not taken is tried once more
            self._file.close()


def _finite(value: Any) -> Any:
    """The same with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class TensorBoard:
    """Event files in `RUN/tensorboard`."""

    def __init__(self, run: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = run / "tensorboard"
        with explained(self._path):
            self._writer: Any = SummaryWriter(str(self._path))

    def write(self, record: Mapping[str, Any]) -> None:
        with explained(self._path):  # what its thread could not write it raises at the next call
            for name, value in _flat(record):
                self._writer.add_scalar(f"{record['kind']}/{name}", value, record["step"])

    def close(self) -> None:
        with explained(self._path):
            self._writer.close()


class Wandb:
    """A wandb run named as the run's folder; WANDB_PROJECT, WANDB_MODE and the rest of its variables hold."""

    def __init__(self, run: Path, config: Mapping[str, Any]) -> None:
        import wandb

        self._run: Any = wandb.init(name=run.name, dir=str(run), config=dict(config))

    def write(self, record: Mapping[str, Any]) -> None:
        self._run.log({f"{record['kind']}/{name}": value for name, value in _flat(record)}, step=record["step"])

    def close(self) -> None:
        self._run.finish()


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and name != "step":
            yield f"{prefix}{name}", float(value)


def check_sinks(names: Sequence[str]) -> None:
    """Raise `TrainingError` for an unknown name, or a package that is not installed."""
    for name in names:
        if name not in SINKS:
            raise TrainingError(f"--log {name}: no such place for metrics{nearest(name, SINKS)}")
        if importlib.util.find_spec(name) is None:
            raise TrainingError(f'--log {name} needs: pip install "negagen[{name}]"')


def open_sinks(run: Path, names: Sequence[str], config: Mapping[str, Any]) -> list[Sink]:
    """The JSONL file and the sinks named; raises as `check_sinks` does."""
    check_sinks(names)
    others: list[Sink] = [
        TensorBoard(run) if name == "tensorboard" else Wandb(run, config) for name in dict.fromkeys(names)
    ]
    return [Jsonl(run), *others]


def forget_after(run: Path, step: int) -> None:
    """Drop what is written anew: the records of steps after `step`, a line that a crash left half-written, and what was
    measured after the last step.

    A step's record carries the number of steps done, so that of the checkpoint's own step stays.
    """
    path = run / FILE
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        # What is told at the beginning of an epoch is told anew, if the checkpoint was made just before.
        last = {"step": step, "curriculum": step - 1}.get(record["kind"], 0)
        if record["step"] <= last:
            kept.append(line + "\n")
    with written_aside(path) as aside:
        aside.write_text("".join(kept), encoding="utf-8")


def read_metrics(run: Path, kind: str = "step") -> list[dict[str, Any]]:
    """The records of one kind that a run wrote, in order, but for a line that a crash left half-written."""
    lines = (run / FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return [record for record in records if record["kind"] == kind]


class Readings(Generic[T]):
    """Figures on their way from the device, each with a note: read a step late, so that no step waits for the GPU."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._pending: deque[tuple[T, Tensor, Any]] = deque()

    def push(self, note: T, values: Tensor) -> None:
        """Begin to copy `values` (any shape) to the host."""
        values = values.detach()
        if not self._cuda:
            self._pending.append((note, values.clone(), None))
            return
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        arrived: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self._pending.append((note, host, arrived))

    def ready(self, *, leave: int = 1) -> Iterator[tuple[T, list[Any]]]:
        """Those that came, in order, waiting for all but the last `leave`. On the CPU nothing is left."""
        for note, host in self.tensors(leave=leave):
            yield note, host.tolist()

    def tensors(self, *, leave: int = 1) -> Iterator[tuple[T, Tensor]]:
        """The same as tensors."""
        while len(self._pending) > (leave if self._cuda else 0):
            note, host, arrived = self._pending.popleft()
            if arrived is not None:
                arrived.synchronize()
            yield note, host
