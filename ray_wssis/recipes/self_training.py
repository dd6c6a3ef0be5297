"""Rounds of self-training: a few class maps and images without any label in, a segmenter out.

A network labels the unlabelled images, a policy keeps the labels that may be learnt (`threshold`,
`cbst`, `dars`, `small_loss`), and a student that learnt from them labels the images of the next
round.  With two networks each learns the labels of the other one, as in DMT
(`methods/self_training/`).  Every `yield` is one folder of the run; a folder that is finished is
not made again.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from ray_wssis.artifacts import Artifact
from ray_wssis.methods.self_training.halves import PARTS, halves
from ray_wssis.methods.self_training.keep import keep
from ray_wssis.methods.self_training.report import rounds_section
from ray_wssis.methods.self_training.task import DynamicTask
from ray_wssis.models.model_folder import copy_model
from ray_wssis.recipes.self_training_config import SelfTrainingConfig
from ray_wssis.run import Run
from ray_wssis.run_config import round_prefix
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.label import label
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.split import TAUGHT, VALIDATION, split
from ray_wssis.semantic.task import SemanticTask
from ray_wssis.semantic.train import train_upper_bound
from ray_wssis.semantic.verdict import judge_models
from ray_wssis.verdict import is_taken


class Learnt(NamedTuple):
    """A round of one network."""

    student: Artifact
    labels: Artifact  # that the student learnt from
    is_taken: bool  # by the audit


def self_training(run: Run, config: SelfTrainingConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    taught, validation = data.part(TAUGHT), data.part(VALIDATION)

    # 1. A teacher learns from the strong images; two of them from parts that differ.
    parts = [taught]
    if config.networks == 2:
        yield (cut := halves(run, data))
        parts = [cut.part(name) for name in PARTS]
    stage, own = config.teacher, {}
    for prefix, part in zip(config.prefixes, parts, strict=True):
        name, quotas = f"{prefix}teacher", {"strong": stage.training.batch_size}
        task = SemanticTask.of(name, stage, {"strong": part}, quotas, validation)
        yield (teacher := run.train(name, "Train on the strong images alone", task, stage))
        own[prefix] = teacher
    models = {f"{prefix}teacher": model for prefix, model in own.items()}

    first: Artifact | None = None  # labels, by a network that learnt from class maps alone

    # 2. In every round each network learns what the other one, if there is one, sees.
    for number in range(1, config.rounds + 1):
        before = dict(own)
        for prefix in config.prefixes:
            (by,) = [name for name in own if name != prefix or len(own) == 1]
            pair = own[prefix], own[by]
            found = yield from learn(run, config, data, number, prefix, *pair, first)
            first = first or found.labels
            model, labels = found.student, found.labels
            models[model.folder.name] = model
            own[prefix] = last = model if found.is_taken else own[prefix]
        if own == before and config.repeats(number):
            break  # the next round would do the same once more

    # 3. The network that learnt last, unless its round made it worse, is the student.
    yield (student := take(run, last))
    models["student"] = student
    if config.upper_bound:
        models["upper_bound"] = train_upper_bound(run, stage, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, labels, config.evaluation))
    yield run.report(
        {"evaluation": figures},
        lambda: [
            *semantic_sections(
                run.folder, list(models), tags=False, baseline=f"{config.prefixes[-1]}teacher"
            ),
            rounds_section(run.folder, config.prefixes, config.rounds),
        ],
    )


def learn(
    run: Run,
    config: SelfTrainingConfig,
    data: Artifact,
    number: int,
    prefix: str,
    own: Artifact,
    by: Artifact,
    first: Artifact | None,
) -> Generator[Artifact, None, Learnt]:
    """Carry out round `number` of the network `own`, whose labels are drawn `by` a network.

    `first` are the labels of the first round; None in it.
    """
    run = run.within(round_prefix(number) + prefix)
    labelling = config.labelling
    labeller = DrawClassMaps.of(by.part("model"), labelling.views, tags=False, certainty=True)
    yield (labels := label(run, data, labeller, labelling.max_failures))
    yield audit(run, data, labels, config.audit)
    yield (kept := keep(run, data, labels, config.policy, number, first or labels))
    stage = config.student_of(number, str(own / "model"))
    images = {"strong": data.part(TAUGHT), "pseudo": kept.part(PSEUDO_LABELS)}
    strong, batch = stage.strong_images, stage.training.batch_size
    quotas = {"strong": strong, "pseudo": batch - strong}
    name, validation = f"{run.prefix}student", data.part(VALIDATION)
    plain = SemanticTask.of(name, stage, images, quotas, validation)
    task = plain if stage.gamma is None else DynamicTask(plain=plain, gamma=stage.gamma)
    says = f"Train the student of round {number} on true and pseudo labels"
    yield (student := run.train("student", says, task, stage))
    yield (verdict := judge_models(run, data, own, student))
    return Learnt(student, labels, is_taken(verdict.folder))


def take(run: Run, model: Artifact) -> Artifact:
    """Make the model of a stage the run's student."""
    part = model.part("model")
    return run.stage(
        "student",
        "Take the network of the last round that did not make it worse",
        {"model": part},
        lambda stage: copy_model(part.path, stage / "model"),
    )
