"""The gate decides by golden figures alone; scores carry honest intervals."""

import inspect

import numpy as np
import pytest

from sticker_studio.params import GateParams
from training import gate
from training.gate import Evidence
from training.scores import PictureScore, SliceScore, summarise

PARAMS = GateParams(min_gain=0.002, max_loss=0.01, max_p95_ratio=1.5)


def score(mean: float, *, width: float = 0.02, pictures: int = 60) -> SliceScore:
    return SliceScore(pictures=pictures, mean=mean, median=mean, low=mean - width, high=mean + width)


def evidence(sha: str, *, p95_ms: float = 20.0, **means: float | SliceScore) -> Evidence:
    golden = {name.replace("__", ":"): value if isinstance(value, SliceScore) else score(value) for name, value in means.items()}
    return Evidence(name="sticker-segmentor-anime", version="1", file_sha256=sha * 64, metric="mask IoU", golden=golden, p50_ms=10, p95_ms=p95_ms)


CHAMPION = {"all": 0.80, "class__person": 0.85, "size__small": 0.60}


@pytest.mark.parametrize(
    ("champion", "challenger", "verdict", "said"),
    [
        pytest.param(
            evidence("a", **CHAMPION), evidence("b", **{k: v + 0.01 for k, v in CHAMPION.items()}), "promote", "rises from 0.800 to 0.810", id="better"
        ),
        pytest.param(
            evidence("a", **CHAMPION),
            evidence("b", **(CHAMPION | {"all": 0.80, "size__small": 0.61})),
            "promote",
            "size:small: mean mask IoU rises",
            id="one-slice-better-none-worse",
        ),
        pytest.param(evidence("a", **CHAMPION), evidence("b", **CHAMPION), "keep", "no slice gains 0.002", id="no-gain"),
        pytest.param(evidence("a", **CHAMPION), evidence("b", **{k: v + 0.0019 for k, v in CHAMPION.items()}), "keep", "+0.0019", id="gain-just-too-small"),
        pytest.param(evidence("a", **CHAMPION), evidence("a", **{k: v + 0.1 for k, v in CHAMPION.items()}), "keep", "own file", id="same-file"),
        pytest.param(
            evidence("a", **CHAMPION),
            evidence("b", **(CHAMPION | {"all": 0.83, "size__small": 0.569})),
            "keep",
            "size:small: mean mask IoU 0.569 is more than 0.01 below the champion's interval 0.580 to 0.620",
            id="a-slice-beyond-its-interval",
        ),
        pytest.param(
            evidence("a", **CHAMPION), evidence("b", **(CHAMPION | {"all": 0.83, "size__small": 0.571})), "promote", "all:", id="a-slice-within-its-interval"
        ),
        pytest.param(
            evidence("a", **CHAMPION), evidence("b", **(CHAMPION | {"all": 0.799, "class__person": 0.9})), "keep", "all: mean mask IoU falls", id="whole-falls"
        ),
        pytest.param(
            evidence("a", **CHAMPION),
            evidence("b", p95_ms=30.1, **{k: v + 0.05 for k, v in CHAMPION.items()}),
            "keep",
            "30.1 ms is over 1.5 times the champion's 20.0 ms",
            id="too-slow",
        ),
        pytest.param(
            evidence("a", **CHAMPION), evidence("b", all=0.9, class__person=0.9), "keep", "size:small: the challenger was not measured", id="unmeasured"
        ),
        pytest.param(
            evidence("a", all=0.8, size__small=score(0.6, pictures=7)),
            evidence("b", all=0.81, size__small=score(0.1, pictures=7)),
            "promote",
            "all:",
            id="a-slice-of-seven-pictures-does-not-stop",
        ),
        pytest.param(
            evidence("a", all=0.8, size__small=score(0.6, pictures=7)),
            evidence("b", all=0.8, size__small=score(0.9, pictures=7)),
            "keep",
            "no slice gains",
            id="a-slice-of-seven-pictures-does-not-carry",
        ),
    ],
)
def test_the_gate_decides_and_says_why_in_figures(champion: Evidence, challenger: Evidence, verdict: str, said: str) -> None:
    decided = gate.decide(champion, challenger, PARAMS)
    assert decided.verdict == verdict
    assert any(said in reason for reason in decided.reasons), decided.reasons


def test_the_gate_cannot_see_the_audit_set() -> None:
    assert "audit" not in Evidence.model_fields
    assert list(inspect.signature(gate.decide).parameters) == ["champion", "challenger", "params"]


def test_the_report_shows_verdict_reasons_and_every_slice() -> None:
    champion, challenger = evidence("a", **CHAMPION), evidence("b", **{k: v + 0.01 for k, v in CHAMPION.items()})
    text = gate.report(champion, challenger, gate.decide(champion, challenger, PARAMS))
    assert text.startswith("## sticker-segmentor-anime: promote")
    for name in ("all", "class:person", "size:small"):
        assert f"| {name} | 60 |" in text
    assert "+0.010" in text
    assert len(text) < 5000


# --- scores


def pictures(values: list[float], *slices: str, found: bool = True) -> list[PictureScore]:
    return [PictureScore(id=f"{slices}{i}", slices=slices, value=value, found=found) for i, value in enumerate(values)]


def test_slices_have_their_own_means_and_all_has_every_picture() -> None:
    result = summarise([*pictures([0.2, 0.4], "class:person"), *pictures([0.9], "class:object", found=False)], samples=200, seed=1)
    assert (result["all"].mean, result["all"].pictures, result["all"].nothing_found) == (0.5, 3, 0.3333)
    assert (result["class:person"].mean, result["class:object"].nothing_found) == (0.3, 1.0)


def test_balanced_accuracy_weighs_styles_and_not_pictures() -> None:
    result = summarise([*pictures([1.0] * 90, "style:anime"), *pictures([0.0] * 10, "style:normal")], samples=50, seed=1, balanced_by="style:")
    assert result["all"].mean == 0.5


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        values = np.clip(generator.normal(0.7, 0.15, 60), 0, 1)
        overall = summarise(pictures([float(v) for v in values], "x"), samples=300, seed=trial)["all"]
        covered += overall.low <= 0.6985 <= overall.high  # the mean of the clipped normal
    assert 0.89 <= covered / 200 <= 0.99


def test_the_same_scores_give_the_same_interval() -> None:
    scores = pictures([0.1, 0.5, 0.7, 0.9], "x")
    assert summarise(scores, samples=100, seed=5) == summarise(scores, samples=100, seed=5)
