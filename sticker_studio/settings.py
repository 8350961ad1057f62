"""Endpoints, folders and secrets, from the environment (`.env.example` lists all); tuned values are in `params.yaml`.

Every variable is `STICKER_<FIELD>` in upper case. Nothing is read at import: call `Settings.from_env()`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from sticker_studio.errors import InputError

PREFIX = "STICKER_"


def listed(text: str) -> list[str]:
    """The parts of a comma separated text, without spaces around them and without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


class Settings(BaseModel):
    """Where this installation keeps and reaches things."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default=Path("var"), description="State of this installation: store, runs, databases, logs.")
    params: Path = Field(default=Path("params.yaml"), description="The file of tuned values.")
    store: str = Field(default="", description="Object store URL (file:// or s3://); empty: <home>/store.")
    dvc_remote: str = Field(default="", description="DVC remote URL or folder; empty: <home>/dvc-remote.")
    mlflow_uri: str = Field(default="", description="MLflow tracking and registry address; empty: no registry, factory models serve.")
    service_url: str = Field(default="http://127.0.0.1:3000", description="The sticker service, as the pipeline reaches it.")
    base_weights: str = Field(default="", description="Local YOLO .pt to start students from; empty: official where reachable, else factory.")
    teacher_weights: str = Field(default="", description="Local weights of the Detectron2 teacher; empty: the model zoo's where reachable.")
    offline: bool = Field(default=False, description="Do not even probe the network; use the embedded defaults.")
    approval: str = Field(default="", description="Promotion policy: auto or human; empty: params.yaml decides.")
    train_threads: int = Field(default=0, ge=0, description="Threads of a training; 0: half of the cores, up to 8, because two styles train side by side.")
    golden: str = Field(default="", description="Folder of images/ and masks/ added to the golden set; empty: generated families only.")
    registry_poll_s: float = Field(default=5.0, gt=0, description="Seconds between the service's looks at the champion aliases.")
    fetch_allow: str = Field(default="", description="host:port pairs, comma separated, that may be fetched though their network is private.")
    robots_override: str = Field(default="", description="Hosts, comma separated, whose robots.txt the operator takes responsibility for ignoring.")
    service_port: int = Field(default=3000, description="Port of the sticker service.")
    service_host: str = Field(default="127.0.0.1", description="Address the sticker service and the Studio page listen on.")
    service_workers: int = Field(default=1, gt=0, description="Processes of the sticker service.")
    service_threads: int = Field(default=2, gt=0, description="Requests that one process of the sticker service works on at a time.")
    service_concurrency: int = Field(default=64, gt=0, description="Requests that one process lets wait or work; more are answered 429.")
    service_timeout_s: float = Field(default=60.0, gt=0, description="Seconds that a request may take; then it is answered 504.")
    upload_max_bytes: int = Field(default=20_000_000, gt=0, description="Largest request body that the sticker service takes, bytes.")
    upload_max_pixels: int = Field(default=40_000_000, gt=0, description="Most pixels of one picture, read from its header before it is decoded.")
    upload_max_frames: int = Field(default=300, gt=0, description="Most frames of an animated picture.")
    upload_max_pictures: int = Field(default=120, gt=0, description="Most pictures of one job or pack.")
    api_keys: SecretStr = Field(default=SecretStr(""), description="Keys, comma separated, one of which each POST must carry; empty: none needed.")
    rate_per_minute: int = Field(default=0, ge=0, description="POSTs a minute and key (without keys: and address) that one process lets in; 0: no limit.")
    cors_origins: str = Field(default="", description="Origins, comma separated, whose pages may call the service from a browser; * for all.")
    sticker_ttl_s: float = Field(default=86_400.0, ge=0, description="Seconds that finished stickers and jobs are kept; 0: stickers are not kept, no jobs.")
    cache_max_bytes: int = Field(default=64_000_000, ge=0, description="Memory of one process for answers to pictures and options seen before; 0: none.")
    records: str = Field(default="", description="SQLAlchemy URL of the table of kept stickers and jobs; empty: SQLite in <home>/serving.db.")
    studio_port: int = Field(default=7860, description="Port of the Studio page.")
    airflow_port: int = Field(default=8080, description="Port of the Airflow UI and API.")
    mlflow_port: int = Field(default=5000, description="Port of MLflow.")
    board_port: int = Field(default=8090, description="Port of the demo board.")
    exporter_port: int = Field(default=18000, description="Port of the pipeline exporter.")
    prometheus_port: int = Field(default=9090, description="Port of Prometheus (make monitor).")
    alertmanager_port: int = Field(default=9093, description="Port of Alertmanager (make monitor).")
    postgres_port: int = Field(default=5433, description="Port of the embedded PostgreSQL.")
    airflow_url: str = Field(default="", description="Airflow's address for the exporter and the demo; empty: loopback at airflow_port.")
    airflow_password: SecretStr = Field(default=SecretStr(""), description="Password of Airflow's admin; empty: read from <home>/secrets.")
    stability_key: SecretStr = Field(default=SecretStr(""), description="Key of Stability AI (platform.stability.ai), for text to sticker; empty: not asked.")
    stability_url: str = Field(default="https://api.stability.ai", description="Stability AI's address.")
    modelslab_key: SecretStr = Field(default=SecretStr(""), description="Key of ModelsLab (modelslab.com), for text to sticker; empty: not asked.")
    modelslab_url: str = Field(default="https://modelslab.com", description="ModelsLab's address.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment. Raises `InputError` naming each variable that is wrong or unknown."""
        source = os.environ if environ is None else environ
        values = {key.removeprefix(PREFIX).lower(): value for key, value in source.items() if key.startswith(PREFIX)}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"settings: {'; '.join(map(_told, error.errors()))}. .env.example lists every setting.") from None

    @property
    def store_url(self) -> str:
        """URL of the object store."""
        return self.store or (self.home.absolute() / "store").as_uri()

    @property
    def records_url(self) -> str:
        """SQLAlchemy URL of the service's records."""
        return self.records or f"sqlite:///{self.home.absolute() / 'serving.db'}"

    @property
    def dvc_remote_url(self) -> str:
        """URL or folder of the DVC remote."""
        return self.dvc_remote or str(self.home.absolute() / "dvc-remote")

    def runs(self, batch: str) -> Path:
        """Folder of the models trained in `batch`, one subfolder for each registry name."""
        return self.home / "runs" / batch

    def dataset(self, batch: str) -> Path:
        """Folder of the data set built in `batch`."""
        return self.home / "datasets" / batch

    @property
    def dvc_workspace(self) -> Path:
        """The no-scm DVC workspace; its `data/` folder is what a snapshot tracks."""
        return self.home / "dvc"


def _told(problem: ErrorDetails) -> str:
    """One wrong variable in words. The value of an unknown one stays untold: it may be a key under a misspelt name."""
    told = f"{PREFIX}{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
    return told if problem["type"] == "extra_forbidden" else f"{told}, got {problem['input']!r}"
