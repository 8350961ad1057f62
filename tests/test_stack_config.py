"""The one-machine stack as data: what runs, where it listens, what it keeps secret."""

import configparser
import os
import re
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sticker_studio.errors import InputError, Unavailable
from sticker_studio.settings import Settings
from sticker_studio.stack import options, ports, postgres, programs, summary
from sticker_studio.stack.layout import Layout, secrets_of
from sticker_studio.stack.programs import Program

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(home=tmp_path / "home with 100% space", root=ROOT)


def everything(settings: Settings, layout: Layout) -> list[Program]:
    database = programs.postgres(settings, binary=Path("/pg/bin/postgres"), data=layout.postgres, user="nobody")
    secrets = secrets_of(layout)
    return [database, programs.mlflow(settings, layout, secrets), *programs.airflow(settings), *programs.serving(settings), *programs.around(settings)]


def parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_the_supervisor_is_controlled_over_a_private_socket_and_no_port(layout: Layout) -> None:
    config = parsed(programs.supervisord_config(everything(Settings(), layout), layout))
    assert "inet_http_server" not in config.sections()
    assert config["unix_http_server"]["chmod"] == "0700"


def test_every_address_in_the_configuration_is_loopback(layout: Layout) -> None:
    text = programs.supervisord_config(everything(Settings(), layout), layout)
    hosts = set(re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text))
    assert hosts == {"127.0.0.1"}
    assert "--skip-serve-logs" in text, "the scheduler's log server listens on every interface"


def test_every_program_comes_back_and_takes_its_children_along(layout: Layout) -> None:
    config = parsed(programs.supervisord_config(everything(Settings(), layout), layout))
    sections = [section for section in config.sections() if section.startswith("program:")]
    assert len(sections) == 9
    for name in sections:
        assert config[name]["autorestart"] == "true"
        assert int(config[name]["startretries"]) > 1000
        group = "false" if name == "program:postgres" else "true"
        assert (config[name]["stopasgroup"], config[name]["killasgroup"]) == (group, group)
    assert config["program:postgres"]["stopsignal"] == "INT"
    assert config["program:postgres"]["user"] == "nobody"


def test_percent_signs_and_spaces_of_a_path_survive_the_configuration(layout: Layout) -> None:
    config = parsed(programs.supervisord_config(everything(Settings(), layout), layout))
    assert "100%% space" in config["program:postgres"]["command"]
    assert f"'{str(layout.postgres).replace('%', '%%')}'" in config["program:postgres"]["command"]


def test_secrets_are_made_once_and_only_the_owner_reads_them(layout: Layout) -> None:
    first, second = secrets_of(layout), secrets_of(layout)
    assert vars(first) == vars(second)
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in layout.secrets.iterdir()} == {0o600}
    assert len(first.airflow_jwt) == 64
    assert first.airflow_password not in repr(first)


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    values = [set(vars(secrets_of(Layout(home=tmp_path / name, root=ROOT))).values()) for name in ("a", "b")]
    assert not values[0] & values[1]


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings = Settings(airflow_port=listener.getsockname()[1])
        with pytest.raises(Unavailable, match=rf"port {settings.airflow_port} \(STICKER_AIRFLOW_PORT\) is taken.*STICKER_AIRFLOW_PORT=<port> make up"):
            ports.check(settings, ["airflow_port"])
    ports.check(settings, ["airflow_port"])


def test_two_settings_with_one_port_are_named_both() -> None:
    settings = Settings(mlflow_port=39123, board_port=39123)
    with pytest.raises(Unavailable, match="STICKER_BOARD_PORT and STICKER_MLFLOW_PORT are both 39123"):
        ports.check(settings, ["mlflow_port", "board_port"])


def test_the_control_socket_stays_short_enough_below_a_deep_home() -> None:
    deep = Layout(home=Path("/" + "very-long-folder-name/" * 12), root=ROOT)
    assert len(str(deep.socket)) <= 100
    assert deep.socket != Layout(home=deep.home / "other", root=ROOT).socket


def test_processes_get_absolute_settings_and_no_variable_that_slows_them(layout: Layout) -> None:
    settings = Settings(airflow_port=8181, mlflow_port=5151)
    inherited = {"PYTHONDONTWRITEBYTECODE": "1", "PATH": "/bin"}
    environment = programs.environment(settings, layout, secrets_of(layout), inherited=inherited, cpus=2)
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["PATH"] == "/bin"
    read_back = Settings.from_env(environment)
    assert read_back.home == layout.home
    assert read_back.params == ROOT / "params.yaml"
    assert read_back.mlflow_uri == "http://127.0.0.1:5151"
    assert environment["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8181"
    assert environment["AIRFLOW__API__PORT"] == "8181"


def test_the_service_alone_asks_no_registry(layout: Layout) -> None:
    environment = programs.environment(Settings(), layout, secrets_of(layout), inherited={}, cpus=2, registry=False)
    assert Settings.from_env(environment).mlflow_uri == ""


def test_the_monitors_scrape_the_ports_of_the_settings() -> None:
    text = (ROOT / "monitoring" / "prometheus.yml").read_text()
    changed = programs.with_ports(text, Settings(service_port=4100, exporter_port=4200))
    assert "127.0.0.1:4100" in changed
    assert "127.0.0.1:4200" in changed
    assert "127.0.0.1:3000" not in changed
    assert programs.with_ports(text, Settings()) == text


def test_the_database_never_runs_as_root() -> None:
    assert postgres.user_for(0) in ("postgres", "nobody")
    assert postgres.user_for(1000) == ""


def test_a_folder_closed_to_others_is_not_traversable(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not postgres.traversable(closed / "postgres", "nobody")
    assert postgres.traversable(Path("/usr/lib"), "nobody")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A=1\n# note\n\nexport B='two words'\n", {"A": "1", "B": "two words"}, id="comments and quotes"),
        pytest.param('C="x=y"', {"C": "x=y"}, id="equals sign in the value"),
        pytest.param("D=", {"D": ""}, id="empty"),
    ],
)
def test_an_env_file_is_key_value_lines(text: str, expected: dict[str, str]) -> None:
    assert options.read_env_file(text) == expected


def test_a_line_that_is_no_setting_is_named() -> None:
    with pytest.raises(InputError, match=r"\.env, line 2: expected KEY=VALUE"):
        options.read_env_file("A=1\nnonsense\n")


def test_the_environment_outranks_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STICKER_MLFLOW_PORT=1\nSTICKER_BOARD_PORT=2\n")
    values = options.merged({"STICKER_MLFLOW_PORT": "3", "STICKER_BOARD_PORT": ""}, tmp_path / ".env")
    assert (values["STICKER_MLFLOW_PORT"], values["STICKER_BOARD_PORT"]) == ("3", "2")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, [], id="params.yaml decides"),
        pytest.param({"BOARD": "", "STYLE": ""}, [], id="make exports empty ones"),
        pytest.param(
            {"BOARD": "pinterest:ghibli trend", "STYLE": "anime"}, [{"source": "pinterest:ghibli trend", "style": "anime"}], id="a query with a space"
        ),
        pytest.param({"BOARD": "folder:/a/b", "STYLE": "normal"}, [{"source": "folder:/a/b", "style": "normal"}], id="folder"),
    ],
)
def test_board_and_style_name_a_board(environ: dict[str, str], expected: list[dict[str, str]]) -> None:
    assert options.boards(environ) == expected


def test_a_relative_folder_becomes_absolute() -> None:
    assert options.boards({"BOARD": "folder:some/where", "STYLE": "normal"})[0]["source"] == f"folder:{Path('some/where').absolute()}"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        pytest.param({"BOARD": "folder:/a"}, "STYLE: expected anime or normal", id="style missing"),
        pytest.param({"BOARD": "folder:/a", "STYLE": "cubist"}, "got 'cubist'", id="style unknown"),
        pytest.param({"BOARD": "ftp:x", "STYLE": "anime"}, "BOARD: expected one of demo", id="source unknown"),
        pytest.param({"STYLE": "anime"}, "together with BOARD", id="style alone"),
    ],
)
def test_a_wrong_board_is_refused_with_what_is_expected(environ: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        options.boards(environ)


def test_the_logical_date_is_midnight_utc() -> None:
    now = datetime(2026, 3, 4, 15, 16, tzinfo=UTC)
    assert options.logical_date({}, today=now) == datetime(2026, 3, 4, tzinfo=UTC)
    assert options.logical_date({"DATE": "2026-01-31"}, today=now) == datetime(2026, 1, 31, tzinfo=UTC)
    with pytest.raises(InputError, match="DATE: expected a day like"):
        options.logical_date({"DATE": "yesterday"}, today=now)
    with pytest.raises(InputError, match="up to 2026-03-04"):
        options.logical_date({"DATE": "2026-03-05"}, today=now)


def test_a_summary_tells_pins_teachers_and_verdicts() -> None:
    task = summary.TaskOutcome
    daily = summary.RunOutcome(
        dag="sticker_daily",
        run_id="r1",
        state="success",
        tasks=(
            task(
                task="harvest",
                map_index=0,
                state="success",
                result={"board": "demo:anime", "style": "anime", "found": 60, "failed": 1, "failures": {"HTTP 404": 1}},
            ),
            task(task="harvest", map_index=1, state="success", result={"board": "demo:normal", "style": "normal", "found": 50, "failed": 0, "failures": {}}),
            task(task="validate_pins", state="success", result={"batch": "B", "found": 110, "kept": 100, "quarantined": 4, "duplicates": 5, "reasons": {}}),
            task(
                task="label",
                map_index=0,
                state="success",
                result={"labels": 90, "teacher": "embedded", "teacher_version": "1", "stood_in": [{"teacher": "detectron2", "reason": "not installed"}]},
            ),
            task(task="fit_segmentor_anime", state="skipped", skipped="3 pins, 20 needed"),
            task(task="fit_segmentor_normal", state="success", result={"model": "sticker-segmentor-normal", "base": "factory: offline", "metrics": {}}),
        ),
    )
    promotion = summary.RunOutcome(
        dag="sticker_promotion",
        run_id="r2",
        state="success",
        tasks=(task(task="gate", state="success", result={"verdicts": {"sticker-segmentor-normal": {"verdict": "keep", "reasons": ["golden 0.70 < 0.71"]}}}),),
    )
    told = summary.summarise(daily, promotion)
    assert (told["pins"]["found"], told["pins"]["kept"], told["pins"]["quarantined"], told["pins"]["duplicates"]) == (110, 100, 4, 5)
    assert told["pins"]["failures"] == {"HTTP 404": 1}
    assert told["labels"]["teacher"] == "embedded 1"
    assert told["labels"]["not_used"] == {"detectron2": "not installed"}
    assert told["training"]["sticker-segmentor-normal"]["base"] == "factory: offline"
    assert told["training"]["fit_segmentor_anime"] == {"skipped": "3 pins, 20 needed"}
    assert told["verdicts"]["sticker-segmentor-normal"]["verdict"] == "keep"


def test_the_weights_name_known_before_torch_is_imported_is_torchvisions_own() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: extra 'training'")
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights

    from labeling.teachers import torchvision

    assert MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url.rsplit("/", 1)[-1] == torchvision.WEIGHTS_NAME
    assert torchvision.hub_folder(os.environ) == Path(torch.hub.get_dir()) / "checkpoints"


def test_a_judgement_names_both_models_with_their_interval_and_slices() -> None:
    scores = {"mean": 0.5, "low": 0.4, "high": 0.6, "pictures": 20}
    roles = {"challenger": {"all": {**scores, "mean": 0.55}, "style:anime": scores}, "champion": {"all": scores, "style:anime": {**scores, "mean": 0.25}}}
    text = summary.judged(roles, "mask IoU")
    assert text == "mask IoU: champion 0.500 (0.400 to 0.600, 20 pictures), challenger 0.550 (0.400 to 0.600, 20 pictures); style:anime 0.250 -> 0.500"
    assert summary.judged({"challenger": {"all": {}}}, "mask IoU") == "mask IoU: challenger without scores"
