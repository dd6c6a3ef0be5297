import yaml

from ray_wssis.recipes.plan.decision import Decision, Tree, values_of
from ray_wssis.recipes.plan.yaml_text import to_text

TREE: Tree = {
    "seed": Decision(0, "the first"),
    "data": {
        "name": Decision("a: b", ""),
        "weak": Decision(None, "none"),
        "sizes": Decision([[1, 2.5], [3, 1e-5]], "a reason that is much too long " * 3),
    },
}


def test_every_value_says_why() -> None:
    text = to_text(TREE, ["A plan", ""])
    assert text.splitlines() == [
        "# A plan",
        "#",
        "seed: 0  # the first",
        "",
        "data:",
        "  name: 'a: b'",
        "  weak: null  # none",
        "  # " + "a reason that is much too long " * 3,
        "  sizes: [[1, 2.5], [3, 1.0e-05]]",
    ]
    assert yaml.safe_load(text) == values_of(TREE)
