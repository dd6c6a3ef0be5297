"""Tests of ray_wssis.data.class_maps.tags."""

from ray_wssis.data.class_maps.tags import with_noise
from ray_wssis.data.records import Category, Record

CATEGORIES = [
    Category(id=i, name=name) for i, name in enumerate(["cat", "background", *"abcdefgh"])
]
SHOWN = (0, 1, 3, 5)


def noisy(rate: float, seed: int = 0, number: int = 2000) -> list[tuple[int, ...]]:
    """Return tags with mistakes of images that all show the same classes."""
    records = (
        Record(image_id=i, file=f"folder/{i}.png", width=1, height=1, tags=SHOWN)
        for i in range(number)
    )
    tags = [with_noise(record, CATEGORIES, rate, seed).tags for record in records]
    return [some for some in tags if some is not None]


def test_a_rate_of_tags_is_left_out_and_as_many_are_added() -> None:
    made = noisy(0.1)
    left_out = sum(len(set(SHOWN) - set(tags)) for tags in made)
    added = sum(len(set(tags) - set(SHOWN)) for tags in made)
    assert 0.09 < left_out / (3 * len(made)) < 0.11  # three classes besides the background
    assert 0.085 < added / (3 * len(made)) < 0.11  # two may be the same
    assert {label for tags in made for label in tags} == set(range(10))
    assert all(1 in tags and list(tags) == sorted(tags) for tags in made)


def test_the_seed_and_the_name_of_the_file_decide() -> None:
    assert noisy(0.3) == noisy(0.3)
    assert noisy(0.3, number=50) == noisy(0.3, number=80)[:50]
    assert noisy(0.3) != noisy(0.3, seed=1)


def test_a_larger_rate_keeps_the_mistakes_of_a_smaller_one() -> None:
    for few, many in zip(noisy(0.1), noisy(0.3), strict=True):
        assert set(SHOWN) - set(few) <= set(SHOWN) - set(many)


def test_without_noise_or_without_tags_nothing_changes() -> None:
    assert set(noisy(0)) == {SHOWN}
    record = Record(image_id=1, file="a.png", width=1, height=1)
    assert with_noise(record, CATEGORIES, 0.5, 0) is record
