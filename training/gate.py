"""The gate: may the challenger become champion? A pure decision over golden scores; the audit set is not among its inputs."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from sticker_studio.params import GateParams
from training.scores import ALL, Metric, Slices, SliceScore

MIN_PICTURES: Final = 8
"""A slice of fewer pictures says too little to stop or carry a promotion."""


class Evidence(BaseModel):
    """What the gate reads of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    file_sha256: str
    metric: Metric
    golden: Slices
    p50_ms: float
    p95_ms: float
    """Of the exported model, both models measured in turns in one run."""


class Verdict(BaseModel):
    """`promote` or `keep` (the champion), and why: sentences with figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["promote", "keep"]
    reasons: list[str]


def decide(champion: Evidence, challenger: Evidence, params: GateParams) -> Verdict:
    """Promote when nothing speaks against the challenger and at least one slice gains `params.min_gain`.

    Against it speaks: the golden mean as a whole below the champion's; a slice below the champion's 95 % interval by more than `params.max_loss`;
    a p95 latency above `params.max_p95_ratio` times the champion's; the champion's own file; a slice that was not measured.
    """
    against = [*_same_file(champion, challenger), *_losses(champion, challenger, params), *_slower(champion, challenger, params)]
    gains = list(_gains(champion, challenger, params))
    if against:
        return Verdict(verdict="keep", reasons=against)
    if not gains:
        return Verdict(verdict="keep", reasons=[_no_gain(champion, challenger, params)])
    return Verdict(verdict="promote", reasons=[*gains, _nothing_worse(champion, challenger)])


def _same_file(champion: Evidence, challenger: Evidence) -> Iterator[str]:
    if champion.file_sha256 == challenger.file_sha256:
        yield f"the challenger is the champion's own file ({champion.file_sha256[:12]}): there is nothing to promote"


def _losses(champion: Evidence, challenger: Evidence, params: GateParams) -> Iterator[str]:
    for name, before in champion.golden.items():
        after = challenger.golden.get(name)
        if after is None:
            yield f"{name}: the challenger was not measured on this slice of {before.pictures} pictures; run evaluate again"
        elif name == ALL and after.mean < before.mean:
            yield f"all: mean {challenger.metric} falls from {before.mean:.3f} to {after.mean:.3f} over {before.pictures} golden pictures"
        elif before.pictures >= MIN_PICTURES and after.mean < before.low - params.max_loss:
            yield (
                f"{name}: mean {challenger.metric} {after.mean:.3f} is more than {params.max_loss:g} below the champion's interval "
                f"{before.low:.3f} to {before.high:.3f} ({before.pictures} pictures)"
            )


def _slower(champion: Evidence, challenger: Evidence, params: GateParams) -> Iterator[str]:
    if challenger.p95_ms > champion.p95_ms * params.max_p95_ratio:
        yield f"p95 latency {challenger.p95_ms:.1f} ms is over {params.max_p95_ratio:g} times the champion's {champion.p95_ms:.1f} ms"


def _gains(champion: Evidence, challenger: Evidence, params: GateParams) -> Iterator[str]:
    for name, before in champion.golden.items():
        after = challenger.golden.get(name)
        if after is not None and before.pictures >= MIN_PICTURES and after.mean - before.mean >= params.min_gain:
            yield f"{name}: mean {challenger.metric} rises from {before.mean:.3f} to {after.mean:.3f} ({before.pictures} golden pictures)"


def _no_gain(champion: Evidence, challenger: Evidence, params: GateParams) -> str:
    change = challenger.golden[ALL].mean - champion.golden[ALL].mean if ALL in champion.golden and ALL in challenger.golden else 0.0
    return f"no slice gains {params.min_gain:g} mean {challenger.metric}; over all golden pictures the change is {change:+.4f}"


def _nothing_worse(champion: Evidence, challenger: Evidence) -> str:
    judged = sum(1 for score in champion.golden.values() if score.pictures >= MIN_PICTURES)
    return f"no other of {judged} slices is worse than its interval allows; p95 latency {challenger.p95_ms:.1f} ms against {champion.p95_ms:.1f} ms"


def report(champion: Evidence, challenger: Evidence, verdict: Verdict) -> str:
    """Markdown evidence that a reviewer reads in a minute: verdict, reasons, and the table of slices."""
    lines = [
        f"## {challenger.name}: {verdict.verdict}",
        "",
        *(f"- {reason}" for reason in verdict.reasons),
        "",
        f"| golden slice | pictures | champion {champion.version} (95 % interval) | challenger (95 % interval) | change |",
        "|---|---|---|---|---|",
        *(_row(name, before, challenger.golden.get(name)) for name, before in champion.golden.items()),
        "",
        f"{challenger.metric}; latency p50/p95 of the exported model: champion {champion.p50_ms:.1f}/{champion.p95_ms:.1f} ms, "
        f"challenger {challenger.p50_ms:.1f}/{challenger.p95_ms:.1f} ms, measured in turns on one machine.",
    ]
    return "\n".join(lines)


def _row(name: str, before: SliceScore, after: SliceScore | None) -> str:
    if after is None:
        return f"| {name} | {before.pictures} | {_score(before)} | not measured | |"
    return f"| {name} | {before.pictures} | {_score(before)} | {_score(after)} | {after.mean - before.mean:+.3f} |"


def _score(score: SliceScore) -> str:
    return f"{score.mean:.3f} ({score.low:.3f} to {score.high:.3f})"
