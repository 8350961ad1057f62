"""Where the stack keeps things below `<home>`, and the secrets it makes once."""

import base64
import hashlib
import secrets as tokens
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sticker_studio import atomic
from sticker_studio.errors import ContractViolation

_SOCKET_MAX: Final = 100  # sun_path holds 108 bytes


@dataclass(frozen=True)
class Layout:
    """Paths below an absolute `home`; `root` is the project's folder."""

    home: Path
    root: Path

    @property
    def secrets(self) -> Path:
        """Folder of one file for each secret (0600)."""
        return self.home / "secrets"

    @property
    def supervisor(self) -> Path:
        """Folder (0700) of supervisord's configuration, pid file and log."""
        return self.home / "supervisor"

    @property
    def config(self) -> Path:
        """supervisord's configuration."""
        return self.supervisor / "supervisord.conf"

    @property
    def socket(self) -> Path:
        """supervisord's control socket; in the temporary folder where the home's path is too long for a socket."""
        path = self.supervisor / "control.sock"
        if len(str(path)) <= _SOCKET_MAX:
            return path
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"sticker-studio-{digest}" / "control.sock"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.home / "logs"

    @property
    def postgres(self) -> Path:
        """Data folder of PostgreSQL (0700)."""
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.home / "airflow"

    @property
    def artifacts(self) -> Path:
        """MLflow's artefacts."""
        return self.home / "mlflow-artifacts"

    @property
    def out(self) -> Path:
        """Where a run leaves its stickers and its summary."""
        return self.root / "out"


@dataclass(frozen=True, repr=False)
class Secrets:
    """Made once for an installation; never printed."""

    postgres_password: str
    airflow_password: str
    viewer_password: str
    airflow_jwt: str
    airflow_secret_key: str
    airflow_fernet_key: str
    stack_id: str

    def __repr__(self) -> str:
        return "Secrets(***)"


def new_secrets() -> Secrets:
    """Fresh random secrets."""
    return Secrets(
        postgres_password=tokens.token_urlsafe(24),
        airflow_password=tokens.token_urlsafe(12),
        viewer_password=tokens.token_urlsafe(12),
        airflow_jwt=tokens.token_hex(32),
        airflow_secret_key=tokens.token_hex(32),
        airflow_fernet_key=base64.urlsafe_b64encode(tokens.token_bytes(32)).decode(),
        stack_id=tokens.token_hex(8),
    )


def private_folder(path: Path) -> Path:
    """Make `path` with mode 0700."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def secrets_of(layout: Layout) -> Secrets:
    """The installation's secrets, made at first use: one 0600 file each. Raises `ContractViolation` for an emptied one."""
    folder = private_folder(layout.secrets)
    values = {}
    for name, fresh in vars(new_secrets()).items():
        path = folder / name
        if not path.exists():
            atomic.write_text(path, fresh, mode=0o600)
        values[name] = path.read_text().strip()
        if not values[name]:
            raise ContractViolation(f"{path}: expected a secret, got an empty file; restore it, or remove {layout.home} to start afresh")
    return Secrets(**values)
