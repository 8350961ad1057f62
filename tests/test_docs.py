"""Every CLI verb, setting and metric is documented, and what the documents name exists."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sticker_studio import params
from sticker_studio.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
STAGES = ("scraping", "labeling", "training", "serving", "monitoring", "sticker_studio.stack")


def verbs(stage: str) -> list[str]:
    """Verb names of a stage's typer app."""
    module = importlib.import_module(f"{stage}.__main__")
    return [command.name or command.callback.__name__.replace("_", "-") for command in module.app.registered_commands]


@pytest.mark.parametrize("stage", STAGES)
def test_every_verb_is_documented(stage: str) -> None:
    found = verbs(stage)
    assert found, f"{stage} has no verb"
    missing = [verb for verb in found if not re.search(rf"python -m {re.escape(stage)} [a-z|-]*\b{verb}\b", DOCS)]
    assert not missing, f"docs/*.md or README.md must show `python -m {stage} <verb>` for: {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_documented_verb_exists(stage: str) -> None:
    named = {verb for words in re.findall(rf"python -m {re.escape(stage)} ([a-z][a-z|-]*)", DOCS) for verb in words.split("|")}
    assert named <= set(verbs(stage))


def test_every_setting_is_in_the_example_with_its_description_and_default() -> None:
    text = (ROOT / ".env.example").read_text()
    for name, field in Settings.model_fields.items():
        found = re.search(rf"# (.*)\n#?{PREFIX}{name.upper()}=(.*)\n", text)
        assert found, f".env.example must list {PREFIX}{name.upper()}"
        assert found[1] == field.description
        default = field.default.get_secret_value() if hasattr(field.default, "get_secret_value") else field.default
        assert found[2] == (str(default).lower() if isinstance(default, bool) else str(default))


def test_the_example_names_no_setting_that_is_none() -> None:
    named = set(re.findall(rf"^#?{PREFIX}([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_example_is_valid_as_it_stands() -> None:
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line.startswith(PREFIX)]
    assert Settings.from_env(dict(line.split("=", 1) for line in lines)) == Settings()


def test_the_parameter_file_is_valid() -> None:
    assert params.load(ROOT / "params.yaml").scraping.boards


def metric_names() -> Iterator[str]:
    """Names of our own metrics: every string literal that begins with our prefixes in the code that makes metrics."""
    for path in (ROOT / "serving" / "metrics.py", *sorted((ROOT / "monitoring").rglob("*.py"))):
        yield from re.findall(r'"(sticker_[a-z0-9_]+)"', path.read_text())


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    modules = {"sticker_studio", "sticker_daily", "sticker_promotion", "sticker_challengers"}
    names = sorted(set(metric_names()) - modules)
    assert len(names) >= 5
    assert [name for name in names if name not in text] == []


def test_links_between_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}, which is missing"
