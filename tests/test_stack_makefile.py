"""The commands that the README names are there and do what they say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ["up", "demo", "serve", "down", "test", "long", "lint", "bench", "quality", "factory", "gallery", "monitor"]


def dry_run(target: str, *variables: str) -> str:
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}  # `make test` runs this
    done = subprocess.run(["make", "--dry-run", target, *variables], cwd=ROOT, env=outer, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_first_makes_the_environment(target: str) -> None:
    lines = dry_run(target, "DATA=/tmp").strip().splitlines()
    assert lines[0] == "scripts/bootstrap.sh"
    assert len(lines) > 1


def test_the_targets_run_modules_that_exist() -> None:
    commands = "".join(dry_run(target, "DATA=/tmp") for target in TARGETS)
    modules = set(re.findall(r"python -m ([a-z_.]+)", commands)) - {"pytest"}
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"{module} is in the Makefile, but not in the repository"


def test_an_unchanged_environment_is_left_alone_at_once() -> None:
    if not (ROOT / ".venv" / ".requirements.sha256").exists():
        pytest.skip("this environment was not made by scripts/bootstrap.sh")
    subprocess.run(["scripts/bootstrap.sh"], cwd=ROOT, capture_output=True, check=True)  # the script itself may be newer than the stamp
    done = subprocess.run(["scripts/bootstrap.sh"], cwd=ROOT, capture_output=True, text=True, timeout=5)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_quality_without_data_says_what_is_missing() -> None:
    done = subprocess.run(["make", "quality"], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "DATA": ""})
    assert done.returncode == 2
    assert "expected DATA=<folder" in done.stderr


def test_the_lock_has_hashes_and_names_no_index() -> None:
    text = (ROOT / "requirements.lock").read_text()
    requirements = re.split(r"\n(?=[a-z0-9])", text)
    assert len(requirements) > 300
    assert all("--hash=sha256:" in requirement for requirement in requirements if "==" in requirement)
    assert "http" not in text.replace("httpx", "").replace("httpcore", "").split("# via")[0]
    assert "--index-url" not in text
    assert "--extra-index-url" not in text


def test_status_of_a_home_where_nothing_runs_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "STICKER_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "sticker_studio.stack", "status"], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert json.loads(done.stdout) == {"programs": {}, "running": False}


def test_a_wrong_setting_is_named_and_ends_with_code_2(tmp_path: Path) -> None:
    environment = {**os.environ, "STICKER_HOME": str(tmp_path), "STICKER_MLFLOW_PORT": "many"}
    done = subprocess.run([sys.executable, "-m", "sticker_studio.stack", "status"], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "STICKER_MLFLOW_PORT" in done.stderr
    assert "Traceback" not in done.stderr
