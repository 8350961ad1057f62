"""What the service remembers, on SQLite and on PostgreSQL: time to live, claims that no two replicas share, jobs that outlive a kill."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import unused_port

from serving import records
from serving.jobs import JobRunner
from serving.records import Item, Job, Records
from sticker_studio.errors import InputError, NotKept, StickerError, Unavailable
from sticker_studio.settings import Settings
from sticker_studio.stack import postgres, programs
from sticker_studio.stack import stack as stacks
from sticker_studio.stack.layout import secrets_of
from sticker_studio.store import ObjectStore


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded PostgreSQL, as `make up` runs it."""
    root = tmp_path_factory.mktemp("postgres")
    root.chmod(0o755)
    settings = Settings(home=root / "var", postgres_port=unused_port())
    layout = stacks.layout_of(settings, root)
    secrets = secrets_of(layout)
    user = postgres.user_for(os.geteuid())
    binary, data = postgres.prepare(layout, secrets, user=user)
    program = programs.postgres(settings, binary=binary, data=data, user=user)
    process = subprocess.Popen(program.command, user=user or None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not postgres.answers(settings, secrets) and time.monotonic() < deadline:
            time.sleep(0.1)
        postgres.create_databases(settings, secrets)
        yield programs.database_url(settings, secrets, "jobs")
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        process.wait(20)
        if not data.is_relative_to(root):  # for root it lies where its own user may read it
            shutil.rmtree(data.parent)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/serving.db"
    found: str = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(found)
    with engine.begin() as connection:
        for table in ("stickers", "jobs", "job_items"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()
    return found


def opened(url: str, folder: Path, *, ttl_s: float = 60) -> Records:
    """As one replica opens them: replicas share the database and the store, nothing else."""
    return Records(url, ObjectStore((folder / "store").as_uri()), ttl_s=ttl_s)


def test_what_one_replica_keeps_another_finds_and_deletes(url: str, tmp_path: Path) -> None:
    one, other = opened(url, tmp_path), opened(url, tmp_path)
    kept = one.keep(b"webp", "image/webp", {"style": "anime"})
    found = other.sticker(kept.id)
    assert (found, other.file(found)) == (kept, b"webp")
    other.forget(kept.id)
    with pytest.raises(NotKept, match="make it again"):
        one.sticker(kept.id)
    with pytest.raises(NotKept):
        one.file(kept)


def test_what_is_past_its_time_is_gone_at_once_and_swept_with_its_files(url: str, tmp_path: Path) -> None:
    short = opened(url, tmp_path, ttl_s=0.05)
    kept = short.keep(b"x", "image/png", {})
    job = short.add_job("stickers", [("a", b"picture")], {})
    time.sleep(0.06)
    for gone in (lambda: short.sticker(kept.id), lambda: short.job(job.id)):
        with pytest.raises(NotKept):
            gone()
    assert short.purge() == 1
    assert [key for folder in ("stickers", "jobs") for key in ObjectStore((tmp_path / "store").as_uri()).keys(folder)] == []


def test_replicas_that_claim_at_once_never_get_the_same_item(url: str, tmp_path: Path) -> None:
    opened(url, tmp_path).add_job("stickers", [(str(n), b"x") for n in range(24)], {})
    claimed: list[int] = []

    def claim_all() -> None:
        replica = opened(url, tmp_path)
        missed = 0
        while missed < 30:
            item = replica.claim()
            if item is None:
                missed += 1
                continue
            claimed.append(item.number)

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(24))


def test_an_item_whose_replica_died_is_taken_again_and_no_sooner(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = opened(url, tmp_path)
    replica.add_job("stickers", [("a", b"x")], {})
    assert replica.claim() is not None
    assert replica.claim() is None
    monkeypatch.setattr(records, "LEASE_S", 0.0)
    again = replica.claim()
    assert again is not None
    assert replica.input_of(again) == b"x"


def test_a_cancelled_job_begins_nothing_more(url: str, tmp_path: Path) -> None:
    replica = opened(url, tmp_path)
    job = replica.add_job("stickers", [(str(n), b"x") for n in range(3)], {})
    first = replica.claim()
    assert first is not None
    assert [item.state for item in replica.cancel(job.id).items] == ["working", "cancelled", "cancelled"]
    assert replica.claim() is None
    replica.finish(first, "done", {"sticker": "s"})
    assert replica.job(job.id).items[0].state == "done"


def test_the_runner_works_in_order_and_one_failure_does_not_end_the_others(url: str, tmp_path: Path) -> None:
    replica = opened(url, tmp_path)
    job = replica.add_job("stickers", [("a", b"1"), ("b", b"2"), ("c", b"3")], {"platform": "png"})
    seen = []

    def work(asked: Job, item: Item, data: bytes) -> dict[str, str]:
        seen.append((asked.options["platform"], item.name, data))
        if data == b"2":
            raise InputError("expected better, got worse; do better")
        if data == b"3":
            raise ZeroDivisionError
        return {"sticker": "made"}

    runner = JobRunner(replica, work)
    assert [runner.step() for _ in range(4)] == [True, True, True, False]
    ended = replica.job(job.id)
    assert seen == [("png", "a", b"1"), ("png", "b", b"2"), ("png", "c", b"3")]
    assert [item.state for item in ended.items] == ["done", "failed", "failed"]
    assert ended.items[1].outcome["error"]["remedy"] == "do better"
    assert ended.items[2].outcome["error"]["status"] == StickerError.http_status


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    away = Records(f"postgresql+psycopg2://sticker:hidden@127.0.0.1:{unused_port()}/jobs", ObjectStore(tmp_path.as_uri()), ttl_s=1)
    with pytest.raises(Unavailable, match="STICKER_RECORDS") as caught:
        away.sticker("x")
    assert "hidden" not in str(caught.value)
