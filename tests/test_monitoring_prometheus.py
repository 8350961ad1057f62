"""Prometheus takes the project's configurations, and scrapes what exists."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sticker_studio.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]
FILES = ("monitoring/prometheus.yml", "docker/prometheus.yml")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian package prometheus)")
@pytest.mark.parametrize("name", FILES)
def test_promtool_accepts_the_configuration(name: str) -> None:
    checked = subprocess.run(["promtool", "check", "config", name], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_one_machines_targets_are_the_default_ports_of_the_service_and_of_the_exporter() -> None:
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in loaded("monitoring/prometheus.yml")["scrape_configs"]}
    settings = Settings()
    assert jobs == {"service": [f"127.0.0.1:{settings.service_port}"], "pipeline": [f"127.0.0.1:{settings.exporter_port}"]}


def test_composes_targets_are_services_of_the_compose_file() -> None:
    service, pipeline = loaded("docker/prometheus.yml")["scrape_configs"]
    hosts = {*service["dns_sd_configs"][0]["names"], *(target.split(":")[0] for target in pipeline["static_configs"][0]["targets"])}
    assert hosts <= set(loaded("docker-compose.yaml")["services"])


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROJECT / name).read_text())
    return found
