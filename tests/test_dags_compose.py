"""docker-compose.yaml holds together: nothing here can start it, so its structure and every reference in it are checked."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
SERVICE_KEYS = {
    "build", "command", "depends_on", "environment", "healthcheck", "image", "init", "networks", "ports", "restart", "secrets", "security_opt",
    "shm_size", "user", "volumes",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def test_only_keys_of_the_compose_specification_are_used(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    assert {key for key in compose if not key.startswith("x-")} == {"name", "services", "networks", "volumes", "secrets"}
    assert {name: set(service) - SERVICE_KEYS for name, service in services.items() if set(service) - SERVICE_KEYS} == {}
    assert all("image" in service for service in services.values())


def test_every_network_volume_and_secret_that_is_used_is_declared_and_the_other_way_round(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    for kind in ("networks", "secrets"):
        assert {name for service in services.values() for name in service.get(kind, [])} == set(compose[kind]), kind
    sources = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {source for source in sources if not source.startswith(".")} == set(compose["volumes"])
    assert {source for source in sources if source.startswith(".") and not (PROJECT / source).is_file()} == set()


def test_a_service_waits_for_services_that_exist_and_for_health_only_where_it_is_checked(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS, name
            assert how["condition"] != "service_healthy" or "healthcheck" in services[other], f"{name} -> {other}"


def test_only_the_loopback_of_the_host_is_published_and_databases_are_not(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert set(published) == {"airflow-api", "mlflow", "nginx", "prometheus"}


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    text = (PROJECT / "docker-compose.yaml").read_text()
    assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text), "a password in an address"
    assert {secret["file"].split("/")[1] for secret in compose["secrets"].values()} == {"var"}


def test_the_images_are_targets_of_the_dockerfile_and_only_the_pipelines_has_torch(services: dict[str, dict[str, Any]]) -> None:
    dockerfile = (PROJECT / "docker/Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", dockerfile, re.MULTILINE)) - {"base"}
    assert {service["build"]["target"] for service in services.values() if "build" in service} == targets == {"serving", "airflow", "pipeline"}
    extras = {stage.split()[0]: re.search(r"docker/install.sh (.+)", stage) for stage in re.split(r"^FROM \S+ AS ", dockerfile, flags=re.MULTILINE)[1:]}
    assert {name: found[1].split() for name, found in extras.items() if found and "training" in found[1].split()}.keys() == {"pipeline"}
    copied = [source for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE) for source in line.split()[:-1]]
    assert [source for source in copied if not (PROJECT / source).exists()] == []


def test_every_verb_that_a_container_runs_is_a_verb_with_these_options(services: dict[str, dict[str, Any]]) -> None:
    documented = (PROJECT / "docs/pipeline.md").read_text()
    for name, service in services.items():
        words = service.get("command", [])
        if words[:2] == ["python", "-m"]:
            line = next((row for row in documented.splitlines() if f"`python -m {words[2]} {words[3]}" in row), "")
            assert line, f"{name}: {shlex.join(words)}"
            assert all(word in line for word in words if word.startswith("--")), f"{name}: {line}"


def test_the_shell_scripts_of_the_images_parse_and_pass_on_secrets_encoded(tmp_path: Path) -> None:
    for script in (PROJECT / "docker").glob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
    (tmp_path / "postgres_password").write_text("a/b c%\n")
    script = (PROJECT / "docker/with-secrets.sh").read_text().replace("/run/secrets", str(tmp_path))
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    ran = subprocess.run(["sh", "-c", script, "sh", "printenv", "MLFLOW_BACKEND_STORE_URI"], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "postgresql+psycopg2://sticker:a%2Fb%20c%25@postgres/mlflow"
