"""Rounds: labels are drawn, a student learns from them, and if it labels better, it draws the next.

A student is given what is known of an image, its tags or annotated pixels, as every labeller is.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ray_wssis.artifacts import Artifact
from ray_wssis.run import Run
from ray_wssis.run_config import round_prefix
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.label import label
from ray_wssis.semantic.label_config import AuditConfig, MergeConfig
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.segmenter_config import SemanticStage, Views
from ray_wssis.semantic.split import STRONG, TAUGHT, VALIDATION
from ray_wssis.semantic.train import train
from ray_wssis.semantic.verdict import judge_labels
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.verdict import is_taken


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Number of rounds, and the settings of their stages."""

    number: int
    max_failures: int | None
    audit: AuditConfig
    merge: MergeConfig
    student: SemanticStage | None  # None, in one round alone: nobody learns
    strong_images: int | None = None  # of each step of the student; None: it learns labels alone
    views: Views  # of a student that draws


@dataclass(frozen=True, kw_only=True)
class Round:
    """Labels, what they are worth, and who learnt from them."""

    labels: Artifact
    judged: Artifact
    student: Artifact | None


def make_rounds(
    run: Run, data: Artifact, drawer: Labeller, config: Rounds
) -> Generator[Artifact, None, list[Round]]:
    """Yield the stages of all rounds, of which `drawer` draws the labels of the first.

    Until the last round students do not learn from audit images, which tell whether the labels of
    a student are better.  If they are not, the last round follows, with the labels as they were.
    """
    made = []
    for number in range(1, config.number):
        in_round = run.within(round_prefix(number))
        own = yield from make_round(in_round, data, drawer, config, TAUGHT)
        made.append(own)
        assert own.student is not None
        again = DrawClassMaps.of(own.student.part("model"), config.views)
        yield (verdict := judge_labels(in_round, data, own.labels, again))
        if not is_taken(verdict.folder):
            break
        drawer = again
    made.append((yield from make_round(run, data, drawer, config, STRONG)))
    return made


def make_round(
    run: Run, data: Artifact, drawer: Labeller, config: Rounds, strong: str
) -> Generator[Artifact, None, Round]:
    """Yield the stages of a round, whose student learns from the part `strong` of the data too."""
    yield (labels := label(run, data, drawer, config.max_failures))
    yield (judged := audit(run, data, labels, config.audit))
    yield (merged := merge(run, data, labels, config.merge))
    stage, quota = config.student, config.strong_images
    if stage is None:
        return Round(labels=labels, judged=judged, student=None)
    says, learns = "Train the student on the labels", {"strong": merged.part(PSEUDO_LABELS)}
    if quota is not None:
        says = "Train the student on true and pseudo labels"
        learns = {"strong": data.part(strong), "pseudo": merged.part(PSEUDO_LABELS)}
    validation = data.part(VALIDATION)
    yield (student := train(run, "student", says, stage, learns, validation, quota))
    return Round(labels=labels, judged=judged, student=student)


def students(rounds: Sequence[Round]) -> dict[str, Artifact]:
    """Return the students by name: `round_1_student` and so on, and `student`."""
    found = [made.student for made in rounds if made.student is not None]
    return {student.folder.name: student for student in found}
