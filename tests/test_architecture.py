"""What holds the parts apart: one-way imports, ownership of the import names, a kernel that is light to import."""

import ast
import configparser
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
STAGES = ("scraping", "labeling", "training", "serving", "monitoring")
PACKAGES = ("sticker_studio", *STAGES)
HEAVY = ("torch", "torchvision", "ultralytics", "detectron2", "airflow", "mlflow", "selenium", "great_expectations", "dvc", "bentoml", "gradio")


def sources(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of every import below `tree`, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else str(node.module).split(".")[0]


def at_import(tree: ast.Module) -> Iterator[str]:
    """Top-level names imported when the module is: not those inside functions or `if TYPE_CHECKING`."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(ast.Module(body=[node], type_ignores=[]))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_stage_imports_the_kernel_and_nothing_of_another_stage(package: str) -> None:
    others = set(STAGES) - {package}
    wrong = [f"{path.relative_to(PROJECT)}: {name}" for path in sources(package) for name in imported(ast.parse(path.read_text())) if name in others]
    assert wrong == []
    assert sources(package), f"{package} has no source"


@pytest.mark.parametrize("folder", ["dags", "plugins"])
def test_the_airflow_side_imports_no_stage(folder: str) -> None:
    wrong = [f"{path.name}: {name}" for path in sources(folder) for name in imported(ast.parse(path.read_text())) if name in STAGES]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_are_absolute(package: str) -> None:
    assert [str(path) for path in sources(package) if "." in set(imported(ast.parse(path.read_text())))] == []


def test_only_the_labeling_stage_touches_dvc_and_detectron2_and_only_scraping_a_browser() -> None:
    owners = {"dvc": "labeling", "detectron2": "labeling", "selenium": "scraping"}
    for package in PACKAGES:
        for path in sources(package):
            for name in imported(ast.parse(path.read_text())):
                assert owners.get(name, package) == package, f"{path.relative_to(PROJECT)} imports {name}"


def test_the_kernel_names_no_heavy_package_at_import() -> None:
    wrong = [f"{path.relative_to(PROJECT)}: {name}" for path in sources("sticker_studio") for name in at_import(ast.parse(path.read_text())) if name in HEAVY]
    assert wrong == []


def loaded_by(modules: list[str]) -> set[str]:
    """Top-level names in `sys.modules` after importing `modules` in a fresh interpreter."""
    code = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def module_name(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_importing_the_whole_kernel_loads_nothing_heavy_and_warns_of_nothing() -> None:
    assert loaded_by([module_name(path) for path in sources("sticker_studio")]) & set(HEAVY) == set()


def test_importing_a_stages_command_line_loads_nothing_heavy() -> None:
    names = [f"{stage}.__main__" for stage in STAGES if (PROJECT / stage / "__main__.py").exists()]
    assert loaded_by(names) & set(HEAVY) == set()
    assert len(names) == len(STAGES)


def test_no_other_distribution_owns_an_import_name_of_ours() -> None:
    owners = importlib.metadata.packages_distributions()
    assert {name: owners[name] for name in PACKAGES if set(owners.get(name, [])) - {"sticker-studio"}} == {}


def test_setup_cfg_lists_every_package_one_by_one() -> None:
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    there = {module_name(path) for package in PACKAGES for path in sources(package) if path.name == "__init__.py"}
    assert listed == there


def test_the_serving_and_airflow_extras_bring_no_torch() -> None:
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    for needs in (config["options"]["install_requires"], config["options.extras_require"]["serving"], config["options.extras_require"]["airflow"]):
        assert not {"torch", "torchvision", "ultralytics"} & {line.split(">")[0].split("=")[0].strip() for line in needs.splitlines()}
