"""Which teacher labels: the first of `params.labeling.teachers` that is available; who was passed over, and why, is part of the result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labeling import coco
from labeling.cleaning import Cut
from labeling.teachers import detectron2, embedded, torchvision
from sticker_studio.errors import InputError, Unavailable

if TYPE_CHECKING:
    from labeling.teachers.protocol import Teacher
    from sticker_studio.params import LabelingParams
    from sticker_studio.settings import Settings

_log = logging.getLogger(__name__)

NAMES: Final = (detectron2.NAME, torchvision.NAME, embedded.NAME)


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A teacher that was wanted and is not available."""

    teacher: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The teacher that labels, and those it stands in for."""

    teacher: Teacher
    stood_in: tuple[PassedOver, ...]


def choose(order: Sequence[str], open_one: Callable[[str], Teacher]) -> Choice:
    """The first of `order` that opens. Raises `Unavailable` with every reason when none does."""
    passed: list[PassedOver] = []
    for name in order:
        try:
            teacher = open_one(name)
        except Unavailable as reason:
            _log.warning("teacher %s is not available: %s", name, reason)
            passed.append(PassedOver(teacher=name, reason=str(reason)))
            continue
        if passed:
            _log.warning("teacher %s (%s) stands in for %s", teacher.name, teacher.version, ", ".join(one.teacher for one in passed))
        return Choice(teacher=teacher, stood_in=tuple(passed))
    reasons = "; ".join(f"{one.teacher}: {one.reason}" for one in passed)
    raise Unavailable(f"expected one teacher of {list(order)} to be available, none is: {reasons}")


def opener(params: LabelingParams, settings: Settings, *, batch: str) -> Callable[[str], Teacher]:
    """A function that opens a teacher by name, with this installation's weights."""
    table = coco.class_table(params.coco_classes)
    cut = Cut(min_score=params.min_score, epsilon_ratio=params.epsilon_ratio)

    def open_one(name: str) -> Teacher:
        if name == detectron2.NAME:
            return detectron2.open_teacher(settings, table=table, cut=cut, flip=params.flip, batch=batch)
        if name == torchvision.NAME:
            return torchvision.open_teacher(settings, table=table, cut=cut, batch=batch)
        if name == embedded.NAME:
            return embedded.open_teacher(settings, cut=cut)
        raise InputError(f"teacher: expected one of {', '.join(NAMES)}, got {name!r}; correct --teacher or params.yaml")

    return open_one
