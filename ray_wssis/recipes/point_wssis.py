"""PointWSSIS from end to end: a few masks and many points in, an instance segmenter out.

"The Devil is in the Points: Weakly Semi-Supervised Instance Segmentation via Point-Guided Mask
Representation" (arXiv:2303.15062).  Every `yield` is one folder of the run; a folder that is
finished is not made again.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ray_wssis.artifacts import Artifact
from ray_wssis.data.split.files import split_name
from ray_wssis.instance.audit import audit
from ray_wssis.instance.evaluate import evaluate
from ray_wssis.instance.label import InstanceLabeller, label
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.proposals.stages import Proposals, choose, propose
from ray_wssis.instance.report import instance_sections
from ray_wssis.instance.report_labellers import compared
from ray_wssis.instance.segmenter_config import TEACHER, SegmenterStage
from ray_wssis.instance.split import ALL, STRONG, TAUGHT, VALIDATION, split
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.instance.verdict import judge
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.proposer import Proposer
from ray_wssis.methods.point_wssis.refiner_task import RefinerTask
from ray_wssis.methods.point_wssis.rough_masks import EarlyTeachers
from ray_wssis.recipes.point_wssis_checks import check_what_comes_later
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_estimate import estimate
from ray_wssis.recipes.point_wssis_losses import warn_of_lost_objects
from ray_wssis.recipes.sam_refined import SamRefined
from ray_wssis.recipes.zero_shot import compose_labeller, find_labeller, find_refiner
from ray_wssis.run import Run
from ray_wssis.run_config import round_prefix
from ray_wssis.verdict import is_taken


def point_wssis(run: Run, config: PointWSSISConfig) -> Iterator[Artifact]:
    others = find_labeller(config.labeller)  # None: a teacher and a refiner, trained here
    sam = find_refiner(config.labeller)  # None: a refiner is trained
    yield (data := split(run, config.data))
    validation = data.part(VALIDATION)
    check_what_comes_later(config, data)
    warn_of_lost_objects(run, config, data)
    before = "teacher" if others is None else "labels"
    run.estimate(before=before, measure=lambda: estimate(run, config, data))
    if others is not None:
        yield from zero_shot(run, config, data, others)
        return

    # 1. The teacher learns from the strong images, except for those of the audit.
    task = SegmenterTask.of("teacher", config.teacher, data.part(TAUGHT), validation)
    yield (teacher := run.train("teacher", "Train the teacher on the masks", task, config.teacher))

    # 2. As it was half-way through, it draws rough masks whose truth is known, and the refiner
    # learns to improve them.  Beyond the paper, a SAM may take its place.
    refiner = None
    if sam is None:
        refiner = yield from train_refiner(run, config, data, teacher)
    refines = sam if refiner is None else refiner.part("model")

    def labeller_of(drawer: Artifact) -> PointLabeller | SamRefined:
        return compose_labeller(drawer.part("model"), refines, config.labeller)

    # 3. The teacher draws masks, and a student learns from them.  Beyond the paper, the student may
    # draw those of another round.  Until the last one, it does not learn from the audit images,
    # which tell whether its masks are better than its teacher's.
    earlier: list[Round] = []
    drawer = teacher
    for number in range(1, config.rounds):
        in_round = run.within(round_prefix(number))
        labeller = labeller_of(drawer)
        made = yield from make_point_round(
            in_round, config, data, TAUGHT, labeller, drawer, refiner
        )
        earlier.append(made)
        yield (verdict := judge(in_round, data, made.labels, labeller_of(made.student)))
        if not is_taken(verdict.folder):
            break
        drawer = made.student
    labeller = labeller_of(drawer)
    last = yield from make_point_round(run, config, data, STRONG, labeller, drawer, refiner)
    networks = {"teacher": teacher} | ({} if refiner is None else {"refiner": refiner})
    yield from measured(run, config, data, [*earlier, last], networks, drawer)


def train_refiner(
    run: Run, config: PointWSSISConfig, data: Artifact, teacher: Artifact
) -> Generator[Artifact, None, Artifact]:
    """Yield the stages of the refiner."""
    validation, rough = data.part(VALIDATION), None
    if config.refiner.ready is None:
        early = EarlyTeachers.of(teacher, len(config.teacher.training.early))
        images = [data.part(TAUGHT), validation]
        yield (rough := run.stream("rough_masks", "Draw rough masks to practise on", images, early))
    improve = RefinerTask.of(config.refiner, data.part(TAUGHT), validation, rough)
    yield (refiner := run.train("refiner", "Train the refiner on them", improve, config.refiner))
    return refiner


def zero_shot(
    run: Run, config: PointWSSISConfig, data: Artifact, labeller: InstanceLabeller
) -> Iterator[Artifact]:
    """Yield the stages of a run whose labeller was trained elsewhere: a student learns from it."""
    made = yield from make_round(run, config, data, STRONG, labeller, None)
    yield from measured(run, config, data, [made], {}, None)


@dataclass(frozen=True, kw_only=True)
class Round:
    """Masks for the points of the weak images, what they are worth, and who learnt from them."""

    labels: Artifact
    judged: Artifact
    student: Artifact
    proposals: Proposals | None


def make_round(
    run: Run,
    config: PointWSSISConfig,
    data: Artifact,
    strong: str,
    labeller: InstanceLabeller,
    teacher: Artifact | None,
    proposer: Proposer | None = None,
) -> Generator[Artifact, None, Round]:
    """Yield the stages of a round.

    Its student also learns from the true masks of the part `strong` of the data.  `teacher` is the
    network behind the labeller; None if that has none which a student could start from.
    """
    # Every point of the weak images becomes a mask.  Images whose truth is known tell how good the
    # masks are.
    yield (labels := label(run, data, labeller, config.labelling))
    yield (judged := audit(run, data, labels, labeller.signals, config.audit))
    # On images without any label, the teacher proposes objects itself.
    proposals = None
    if proposer is not None:
        yield (rows := propose(run, data, proposer))
        yield (chosen := choose(run, data, rows, proposer.signals, config.proposals))
        proposals = Proposals(rows=rows, chosen=chosen)
    name = split_name(config.data.name, config.data.percent)
    lineage = labeller.lineage
    yield (
        merged := merge(run, data, labels, judged, lineage, name, config.merge, strong, proposals)
    )

    # The student learns from true and pseudo masks together.  Unlike in the paper, it may start
    # from the teacher's weights: in few steps a cold student does not overtake its teacher.
    stage = started(config.student, teacher)
    task = SegmenterTask.of(
        f"{run.prefix}student", stage, merged.part(MERGED), data.part(VALIDATION)
    )
    yield (student := run.train("student", "Train the student on both", task, stage))
    return Round(labels=labels, judged=judged, student=student, proposals=proposals)


def make_point_round(
    run: Run,
    config: PointWSSISConfig,
    data: Artifact,
    strong: str,
    labeller: InstanceLabeller,
    teacher: Artifact,
    refiner: Artifact | None,
) -> Generator[Artifact, None, Round]:
    """Yield the stages of a round in which `labeller` draws, and its `teacher` and refiner propose
    where nobody pointed."""
    proposer = None
    if config.data.has_unlabelled:
        assert refiner is not None  # the configuration sees to it
        proposer = Proposer.of(teacher.part("model"), refiner.part("model"), config.data.point_kind)
    return (yield from make_round(run, config, data, strong, labeller, teacher, proposer))


def measured(
    run: Run,
    config: PointWSSISConfig,
    data: Artifact,
    rounds: Sequence[Round],
    networks: Mapping[str, Artifact],
    drawer: Artifact | None,
) -> Iterator[Artifact]:
    """Yield what is made of a run whose rounds are over: figures, and the page about it all.

    `networks` are the teacher and the refiner, if there are any, and `drawer` the network that drew
    the last masks.
    """
    *earlier, last = rounds
    roles = {**networks, "student": last.student}
    if config.upper_bound:
        yield (bound := upper_bound(run, started(config.student, drawer), data))
        roles["upper_bound"] = bound
    segmenters = {role: model for role, model in roles.items() if role != "refiner"}
    students = {made.student.folder.name: made.student for made in earlier}
    drawn = [(made.labels, made.judged) for made in earlier]
    models = segmenters | students
    proposals = last.proposals
    yield (figures := evaluate(run, data, models, last.labels, last.judged, drawn, proposals))
    names = {role: model.folder.name for role, model in roles.items()}
    yield run.report(
        {"evaluation": figures, "audit": last.judged, **compared(run.folder)},
        lambda: instance_sections(run.folder, names),
    )


def started(stage: SegmenterStage, teacher: Artifact | None) -> SegmenterStage:
    """Replace a start from the teacher by the teacher's model folder; without one, the student
    starts from its backbone."""
    if stage.start != TEACHER:
        return stage
    if teacher is None:
        return stage.model_copy(update={"start": None})
    return stage.model_copy(update={"start": str(teacher / "model")})


def upper_bound(run: Run, stage: SegmenterStage, data: Artifact) -> Artifact:
    """Train the student that knows all masks: what the other one could reach."""
    stage = stage.model_copy(update={"ready": None})
    task = SegmenterTask.of("upper_bound", stage, data.part(ALL), data.part(VALIDATION))
    return run.train("upper_bound", "Train the upper bound on all true masks", task, stage)
