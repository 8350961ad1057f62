"""What the service remembers between requests: finished stickers for their time to live, and jobs with their items.

One table set for all replicas (SQLite for one machine, PostgreSQL for many); the files themselves lie in the object store.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa

from sticker_studio.errors import NotKept, Unavailable
from sticker_studio.store import ObjectStore

LEASE_S: Final = 120.0
"""An item that was taken this long ago and is not done belonged to a replica that died: another takes it."""

_METADATA = sa.MetaData()
_STICKERS = sa.Table(
    "stickers",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
    sa.Column("mime", sa.String(64), nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
)
_JOBS = sa.Table(
    "jobs",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
    sa.Column("options", sa.Text, nullable=False),
)
_ITEMS = sa.Table(
    "job_items",
    _METADATA,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("state", sa.String(12), nullable=False, index=True),
    sa.Column("claimed_at", sa.Float, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
)

State = Literal["waiting", "working", "done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A finished sticker that is kept. Times are seconds since 1970."""

    id: str
    mime: str
    created_at: float
    expires_at: float
    facts: Mapping[str, Any]
    """What made it: style, models, options, the picture's sha-256."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture of a job."""

    job_id: str
    number: int
    name: str
    state: State
    outcome: Mapping[str, Any]
    """`{"sticker": id}` when done, `{"error": {...}}` when failed."""

    @property
    def input_key(self) -> str:
        """Where its picture waits in the object store."""
        return f"jobs/{self.job_id}/{self.number}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Several pictures to make stickers of, or a prompt."""

    id: str
    kind: str
    created_at: float
    expires_at: float
    options: Mapping[str, Any]
    items: tuple[Item, ...]


def new_id() -> str:
    """An id that nobody guesses: 128 random bits."""
    return secrets.token_urlsafe(16)


def _tune(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last moment's records, never damage the file


class Records:
    """Stickers and jobs of all replicas, in the database at an SQLAlchemy `url`.

    The tables are made at first use, not at the start: stickers are made without a database too, only not kept. Every method raises `Unavailable` where
    it does not answer.
    """

    def __init__(self, url: str, store: ObjectStore, *, ttl_s: float) -> None:
        self._store, self._ttl_s, self._ready = store, ttl_s, False
        lite = url.startswith("sqlite")
        self._engine = sa.create_engine(url, pool_pre_ping=not lite, connect_args={"timeout": 30} if lite else {"connect_timeout": 3})
        if lite:
            sa.event.listen(self._engine, "connect", _tune)

    @contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        """A transaction."""
        try:
            if not self._ready:
                _METADATA.create_all(self._engine)
                self._ready = True
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            address = self._engine.url.render_as_string(hide_password=True)
            cause = str(getattr(error, "orig", error)).strip().splitlines()
            raise Unavailable(
                f"records: expected an answer of {address}, got {cause[0] if cause else type(error).__name__}; is STICKER_RECORDS right?"
            ) from error

    # --- stickers

    def keep(self, data: bytes, mime: str, facts: Mapping[str, Any]) -> Kept:
        """Keep a finished sticker: first the file, then the record that makes it known."""
        now = time.time()
        kept = Kept(id=new_id(), mime=mime, created_at=now, expires_at=now + self._ttl_s, facts=facts)
        self._store.put(_sticker_key(kept.id), data)
        with self._begun() as connection:
            row = {"id": kept.id, "mime": mime, "created_at": now, "expires_at": kept.expires_at, "facts": json.dumps(facts, default=str)}
            connection.execute(_STICKERS.insert().values(row))
        return kept

    def sticker(self, sticker_id: str) -> Kept:
        """The record of a sticker. Raises `NotKept`."""
        with self._begun() as connection:
            query = _STICKERS.select().where(_STICKERS.c.id == sticker_id, _STICKERS.c.expires_at > time.time())
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotKept("expected the id of a sticker that is kept, got one that is not; it was deleted or its time is over, so make it again")
        return Kept(id=row["id"], mime=row["mime"], created_at=row["created_at"], expires_at=row["expires_at"], facts=json.loads(row["facts"]))

    def file(self, kept: Kept) -> bytes:
        """The finished file. Raises `NotKept` where it was deleted meanwhile."""
        try:
            return self._store.get(_sticker_key(kept.id))
        except FileNotFoundError as error:
            raise NotKept("expected the file of a sticker that is kept, found none; it was deleted meanwhile, so make it again") from error

    def forget(self, sticker_id: str) -> None:
        """Delete a sticker, record and file. Raises `NotKept`."""
        self.sticker(sticker_id)
        self._drop([sticker_id])

    def _drop(self, sticker_ids: Sequence[str]) -> None:
        for sticker_id in sticker_ids:
            self._store.delete(_sticker_key(sticker_id))
        with self._begun() as connection:
            connection.execute(_STICKERS.delete().where(_STICKERS.c.id.in_(sticker_ids)))

    def purge(self) -> int:
        """Delete stickers and jobs whose time is over, at most a thousand; how many stickers."""
        now = time.time()
        with self._begun() as connection:
            old = list(connection.execute(sa.select(_STICKERS.c.id).where(_STICKERS.c.expires_at <= now).limit(1000)).scalars())
            jobs = list(connection.execute(sa.select(_JOBS.c.id).where(_JOBS.c.expires_at <= now).limit(1000)).scalars())
        if old:
            self._drop(old)
        for job_id in jobs:
            for key in list(self._store.keys(f"jobs/{job_id}")):
                self._store.delete(key)
        if jobs:
            with self._begun() as connection:
                connection.execute(_ITEMS.delete().where(_ITEMS.c.job_id.in_(jobs)))
                connection.execute(_JOBS.delete().where(_JOBS.c.id.in_(jobs)))
        return len(old)

    # --- jobs

    def add_job(self, kind: str, inputs: Sequence[tuple[str, bytes]], options: Mapping[str, Any]) -> Job:
        """A job of named inputs: first their files, then the records, so that no replica takes up what is not there yet."""
        job_id, now = new_id(), time.time()
        rows = [
            {"job_id": job_id, "number": n, "name": name[:200], "state": "waiting", "claimed_at": 0.0, "outcome": "{}"} for n, (name, _) in enumerate(inputs)
        ]
        for number, (_, data) in enumerate(inputs):
            self._store.put(f"jobs/{job_id}/{number}", data)
        with self._begun() as connection:
            row = {"id": job_id, "kind": kind, "created_at": now, "expires_at": now + self._ttl_s, "options": json.dumps(options)}
            connection.execute(_JOBS.insert().values(row))
            connection.execute(_ITEMS.insert(), rows)
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        """A job with all its items. Raises `NotKept`."""
        with self._begun() as connection:
            row = connection.execute(_JOBS.select().where(_JOBS.c.id == job_id, _JOBS.c.expires_at > time.time())).mappings().first()
            if row is None:
                raise NotKept("expected the id of a job that is kept, got one that is not; its time is over, so send it again")
            items = connection.execute(_ITEMS.select().where(_ITEMS.c.job_id == job_id).order_by(_ITEMS.c.number)).mappings().all()
        return Job(
            id=row["id"], kind=row["kind"], created_at=row["created_at"], expires_at=row["expires_at"], options=json.loads(row["options"]),
            items=tuple(_item(item) for item in items),
        )  # fmt: skip

    def cancel(self, job_id: str) -> Job:
        """Let nothing more of a job begin; what is in work is finished. Raises `NotKept`."""
        self.job(job_id)
        with self._begun() as connection:
            connection.execute(_ITEMS.update().where(_ITEMS.c.job_id == job_id, _ITEMS.c.state == "waiting").values(state="cancelled"))
        return self.job(job_id)

    def claim(self) -> Item | None:
        """Take the oldest item that waits, or whose replica died; None when there is none. No two replicas get the same."""
        now = time.time()
        free = sa.or_(_ITEMS.c.state == "waiting", sa.and_(_ITEMS.c.state == "working", _ITEMS.c.claimed_at < now - LEASE_S))
        oldest = (
            sa.select(_ITEMS.c.job_id, _ITEMS.c.number).join(_JOBS, _JOBS.c.id == _ITEMS.c.job_id).where(free).order_by(_JOBS.c.created_at, _ITEMS.c.number)
        )
        with self._begun() as connection:
            candidate = connection.execute(oldest.limit(1)).first()
            if candidate is None:
                return None
            mine = sa.and_(_ITEMS.c.job_id == candidate.job_id, _ITEMS.c.number == candidate.number, free)  # `free` again: another may have been quicker
            row = connection.execute(_ITEMS.update().where(mine).values(state="working", claimed_at=now).returning(*_ITEMS.c)).mappings().first()
        return _item(row) if row else None

    def finish(self, item: Item, state: State, outcome: Mapping[str, Any]) -> None:
        """Note how an item ended; its picture is deleted."""
        with self._begun() as connection:
            mine = sa.and_(_ITEMS.c.job_id == item.job_id, _ITEMS.c.number == item.number)
            connection.execute(_ITEMS.update().where(mine).values(state=state, outcome=json.dumps(outcome)))
        self._store.delete(item.input_key)

    def input_of(self, item: Item) -> bytes:
        """The picture of an item."""
        return self._store.get(item.input_key)


def _item(row: Any) -> Item:
    return Item(job_id=row["job_id"], number=row["number"], name=row["name"], state=row["state"], outcome=json.loads(row["outcome"]))


def _sticker_key(sticker_id: str) -> str:
    return f"stickers/{sticker_id[:2]}/{sticker_id}"
