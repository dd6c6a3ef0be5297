from ray_wssis.config import load_config
from ray_wssis.instance.split import AUDIT, TAUGHT, VALIDATION, WEAK
from ray_wssis.recipes.plan.budget import share_time, to_be_timed
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.training.timing import Timing
from tests.support.fingerprints import FOUND

NUMBER = {TAUGHT: 36, AUDIT: 4, WEAK: 200, VALIDATION: 50}
TIMINGS = {"teacher": Timing(1.0, 0.1), "refiner": Timing(0.5, 0.01)}


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", changes)


def steps(minutes: float, *changes: str) -> tuple[int, int, int]:
    chosen = share_time(config(*changes), NUMBER, TIMINGS, FOUND, minutes).steps
    return chosen.teacher.value, chosen.refiner.value, chosen.student.value


def test_the_time_is_shared_out() -> None:
    budget = share_time(config(), NUMBER, TIMINGS, FOUND, 30)
    assert steps(30) == (540, 420, 740)
    assert 25 < budget.minutes <= 30
    assert budget.warnings == ()
    assert budget.steps.teacher.why == "9.0 min at 1 s a step; 240 passes over 36 images"


def test_an_upper_bound_takes_its_share_too() -> None:
    assert steps(30, "upper_bound=true") < steps(30)
    assert share_time(config("upper_bound=true"), NUMBER, TIMINGS, FOUND, 30).minutes <= 30


def test_few_data_are_not_shown_for_ever() -> None:
    budget = share_time(config(), NUMBER, TIMINGS, FOUND, 600)
    assert budget.steps.teacher.value == 660  # 300 passes over 36 images, 16 in a step
    assert "more would not help" in budget.steps.teacher.why
    assert budget.minutes < 120


def test_too_little_time_is_said() -> None:
    budget = share_time(config(), NUMBER | {WEAK: 20_000}, TIMINGS, FOUND, 5)
    assert budget.warnings[0].startswith(
        "labelling, evaluation and other stages without steps take 38 min"
    )
    assert budget.minutes > 5


def test_only_what_trains_is_timed() -> None:
    assert to_be_timed(config()) == ["teacher", "refiner"]
    ready = config("teacher.ready=a", "refiner.ready=b")
    assert to_be_timed(ready) == ["student"]
    timings = {"student": Timing(1.0, 0.1)}
    assert share_time(ready, NUMBER, timings, FOUND, 30).steps.student.value == 1400


def test_a_little_noise_changes_nothing() -> None:
    slower = {name: Timing(1.002 * step, validated) for name, (step, validated) in TIMINGS.items()}
    assert share_time(config(), NUMBER, slower, FOUND, 30).steps.teacher.value == 540


def test_without_a_teacher_the_student_has_all_the_time() -> None:
    changed = config("labeller=sam2:w")
    assert to_be_timed(changed) == ["student"]
    budget = share_time(changed, NUMBER, {"student": Timing(1.0, 0.1)}, FOUND, 30)
    assert budget.steps.student.value > steps(30)[2]
    assert budget.warnings == (
        "how fast sam2 labels 204 images is not known, so the run takes longer by that",
    )
