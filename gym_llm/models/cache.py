"""ResponseCache: answers of models in an SQLite file, which several processes may share."""

import asyncio
import hashlib
import json
import logging
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gym_llm.errors import ConfigError

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x67796D6C
"""``gyml``, which SQLite keeps in the file's head."""

LOCK_TIMEOUT_S = 30.0

_SCHEMA = "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL) WITHOUT ROWID"


class ResponseCache:
    """Replies by request.

    Reads take some microseconds and run where they are asked for; writes, which may wait for the disk or
    for another process, run in a thread. A cache that stops working (disk full) is left alone: the run
    goes on without it.

    Args:
        path: the file, made when it does not exist.

    Raises:
        ConfigError: the file cannot be opened, or is no cache.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="gym-llm-cache")
        self._is_broken = False
        try:
            self._reads, self._writes = _open(self.path), _open(self.path)
        except sqlite3.Error as error:
            raise ConfigError(f"response cache {self.path}: {error}") from None

    def key(self, base_url: str, api: str, body: Mapping[str, Any], salt: str = "") -> bytes:
        """Return the SHA-256 of all that an answer depends on; the order of keys is of no account."""
        request = json.dumps([base_url.rstrip("/"), api, body, salt], sort_keys=True)
        return hashlib.sha256(request.encode()).digest()

    def get(self, key: bytes) -> dict[str, Any] | None:
        """Return a stored reply."""
        try:
            row = self._reads.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            reply = json.loads(row[0]) if row else None
        except (sqlite3.Error, ValueError) as error:
            self._complain(error)
            return None
        return reply if isinstance(reply, dict) else None

    async def put(self, key: bytes, reply: Mapping[str, Any]) -> None:
        """Store a reply; the first one of two for the same request stays."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._store, key, json.dumps(reply).encode())

    def _store(self, key: bytes, reply: bytes) -> None:
        try:
            self._writes.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, reply))
        except sqlite3.Error as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        level = logging.DEBUG if self._is_broken else logging.WARNING
        self._is_broken = True
        logger.log(level, "response cache %s: %s", self.path, error)

    def __len__(self) -> int:
        return int(self._reads.execute("SELECT count(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Finish the writes and close the file."""
        self._writer.shutdown()
        self._reads.close()
        self._writes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _open(path: Path) -> sqlite3.Connection:
    """Open the file and make sure that it is a cache."""
    # Each statement is a transaction of its own. The writes' connection is used by one thread only.
    connection = sqlite3.connect(
        path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != APPLICATION_ID and (not is_new or application != 0):
            raise sqlite3.DatabaseError("this is a database of something else")
        connection.execute("PRAGMA journal_mode = WAL")
        # With a write-ahead log, a crash of the machine may lose the last replies but breaks nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
