"""Every answer that was paid for, in one SQLite file: a run that was killed asks nothing twice.

An answer is found by all that it may depend on: prompt, messages, picture, model, parameters. It is on disk before it
is used. The raw text stays, for inspection; keys of servers never come near this file. What is sent is noted before it
is sent, with the most that it may cost, so that a budget holds for runs that were killed too.

A run has rounds, each until it has come to its end, and an answer says of which round it is: one of no use is asked for
again in the next.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from negagen.errors import LanguageModelError
from negagen.llm.protocol import Answer, Request

_FORMAT: Final = 1
_WAIT_SECONDS: Final = 60
_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL, parameters TEXT NOT NULL,
    messages TEXT NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS sent (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL, key TEXT NOT NULL, tokens INTEGER NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS sent_run ON sent (run)",
    "CREATE TABLE IF NOT EXISTS spent (run TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS tried (model TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS rounds (run TEXT PRIMARY KEY, over INTEGER NOT NULL)",
)


class Paid(NamedTuple):
    """What was sent for a run: requests, their tokens in all (the most for those without an answer), the last row."""

    requests: int
    tokens: int
    last: int


class Known(NamedTuple):
    """An answer, and the round of the run that asked for it."""

    answer: Answer
    round: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it is kept: `prompt` names the prompt and its hash, `messages` are those that were sent."""

    key: str
    prompt: str
    model: str
    messages: tuple[Mapping[str, str], ...]
    answer: Answer

    @property
    def question(self) -> str:
        """The last message: what was asked about."""
        return self.messages[-1]["content"] if self.messages else ""


class Cache:
    """The file `path`, made if need be; several processes may use it at once.

    Raises `LanguageModelError` if it is no such file or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._file.close()
            raise self._unusable(error) from error
        except BaseException:
            self._file.close()
            raise

    def find(self, key: str) -> Known | None:
        """The answer of that key."""
        row = self._one("SELECT text, prompt_tokens, completion_tokens, finish, run FROM answers WHERE key = ?", key)
        return None if row is None else Known(Answer(*row[:-1]), row[-1])

    def keep(
        self,
        key: str,
        round_: str,
        prompt: str,
        model: str,
        parameters: Mapping[str, Any],
        request: Request,
        said: Answer,
        sent: int,
        instead_of: Known | None = None,
    ) -> Answer:
        """Store an answer and what it has cost; both are on disk on return. `sent` is its number of `note_sent`.

        It takes the place of `instead_of`. Returns what is to be used: where another process has stored an answer to
        the same meanwhile, that one.
        """
        messages = json.dumps([asdict(message) for message in request.messages], ensure_ascii=False)
        with self._writing():
            if instead_of is not None:
                self._file.execute("DELETE FROM answers WHERE key = ? AND run = ?", (key, instead_of.round))
            self._file.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key, round_, prompt, model, dump(parameters), messages, said.text, said.finish,
                    said.prompt_tokens, said.completion_tokens,
                ),
            )  # fmt: skip
            self._file.execute("UPDATE sent SET tokens = ? WHERE number = ?", (said.tokens, sent))
        known = self.find(key)
        return said if known is None else known.answer

    def note_sent(self, run: str, costs: Mapping[str, int], last: int | None = None) -> Sequence[int] | None:
        """Remember, before they are sent, the requests of these keys with the tokens that each may cost at most.

        Returns their numbers. With `last`, nothing is written and None is returned if that is not the run's last
        number: another process has sent something for it.
        """
        with self._writing():
            if last is not None and self.last_sent(run) != last:
                return None
            cursors = [
                self._file.execute("INSERT INTO sent (run, key, tokens) VALUES (?, ?, ?)", (run, key, cost))
                for key, cost in costs.items()
            ]
            return [cursor.lastrowid or 0 for cursor in cursors]

    def last_sent(self, run: str) -> int:
        """The number of the request that was sent last for a run; 0 if there is none."""
        (last,) = self._one("SELECT coalesce(max(number), 0) FROM sent WHERE run = ?", run) or (0,)
        return int(last)

    def paid(self, run: str) -> Paid:
        """What was sent for a run."""
        row = self._one(
            "SELECT count(*), coalesce(sum(tokens), 0), coalesce(max(number), 0) FROM sent WHERE run = ?", run
        )
        return Paid(*(row or (0, 0, 0)))

    def knows(self, model: str) -> bool:
        """Whether the model has ever answered."""
        asked = "SELECT 1 FROM {} WHERE model = ? LIMIT 1"
        return any(self._one(asked.format(table), model) is not None for table in ("tried", "answers"))

    def note_tried(self, model: str) -> None:
        """Remember that the model has answered a first question."""
        with self._writing():
            self._file.execute("INSERT OR IGNORE INTO tried VALUES (?)", (model,))

    def is_spent(self, run: str) -> bool:
        """Whether the budget of a run was found to be spent."""
        return self._one("SELECT 1 FROM spent WHERE run = ?", run) is not None

    def note_spent(self, run: str) -> None:
        """Remember that the budget of a run is spent: the same command goes on without asking."""
        with self._writing():
            self._file.execute("INSERT OR IGNORE INTO spent VALUES (?)", (run,))

    def rounds(self, run: str) -> int:
        """How often a run has come to its end."""
        (over,) = self._one("SELECT over FROM rounds WHERE run = ?", run) or (0,)
        return int(over)

    def note_over(self, run: str, rounds: int) -> None:
        """Remember that a run has come to its end so often."""
        with self._writing():
            self._file.execute("INSERT OR IGNORE INTO rounds VALUES (?, 0)", (run,))
            self._file.execute("UPDATE rounds SET over = max(over, ?) WHERE run = ?", (rounds, run))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _prepare(self) -> None:
        # In one transaction: a process that is killed here leaves, and another at the same time sees, all or nothing.
        with self._writing():
            version = self._file.execute("PRAGMA user_version").fetchone()[0]
            tables = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != _FORMAT and tables:
                raise LanguageModelError(
                    f"{self.path} is no cache of this version of negagen: name another with --llm-cache FILE."
                )
            for statement in (*_SCHEMA, f"PRAGMA user_version={_FORMAT}"):
                self._file.execute(statement)
        self._write_ahead()
        self._file.execute("PRAGMA synchronous=FULL")

    def _write_ahead(self) -> None:
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._file.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:
                # For this alone SQLite does not wait while another process has the file.
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """All that is written in it, or nothing; nothing too where it is interrupted."""
        try:
            try:
                self._file.execute("BEGIN IMMEDIATE")
                yield
                self._file.execute("COMMIT")
            finally:
                if self._file.in_transaction:
                    self._file.rollback()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _one(self, asked: str, name: str) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._file.execute(asked, (name,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return row

    def _unusable(self, error: sqlite3.Error) -> LanguageModelError:
        return LanguageModelError(
            f"{self.path} cannot be used as a cache of answers ({error}). Make room there if the disk is full, or name"
            " another with --llm-cache FILE. What it holds is kept: the same command goes on from it."
        )


class Kept:
    """The cache at `path`, to be read and never written. Raises `LanguageModelError` if there is none."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise LanguageModelError(f"{path} is a folder: name the file of answers in it, such as OUTPUT.llm.sqlite.")
        if not path.is_file():
            raise LanguageModelError(f"{path} does not exist: `negagen generate --llm` leaves one beside its output.")
        # Without a log beside it nobody writes to the file: then not even SQLite's own files need be made.
        how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
        try:
            self._file = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", timeout=_WAIT_SECONDS, uri=True)
            version = self._file.execute("PRAGMA user_version").fetchone()[0]
            self._file.execute("SELECT 1 FROM answers LIMIT 1")
        except sqlite3.Error as error:
            raise LanguageModelError(f"{path} is not a cache of answers ({error}).") from error
        if version != _FORMAT:
            raise LanguageModelError(f"{path} is not a cache of answers of this version of negagen.")

    def stored(self) -> Iterator[Stored]:
        """Every answer, in the order in which they came."""
        rows = self._file.execute(
            "SELECT key, prompt, model, messages, text, prompt_tokens, completion_tokens, finish FROM answers"
            " ORDER BY rowid"
        )
        for key, prompt, model, messages, *said in rows:
            yield Stored(key, prompt, model, tuple(json.loads(messages)), Answer(*said))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def key_of_request(prompt: str, model: str, parameters: Mapping[str, Any], request: Request) -> str:
    """Changes with all that an answer may depend on."""
    picture = "" if request.image is None else blake2b(request.image, digest_size=16).hexdigest()
    parts = [
        prompt,
        model,
        dump(parameters),
        dump([asdict(message) for message in request.messages]),
        dump(request.schema),
        str(request.max_tokens),
        repr(request.temperature),
        str(request.seed),
        picture,
    ]
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def dump(value: object) -> str:
    """Canonical JSON: equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
