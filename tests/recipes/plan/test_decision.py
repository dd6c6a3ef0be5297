import pytest

from ray_wssis.config import ConfigError
from ray_wssis.recipes.plan.decision import Decision, Tree, again, leaves, values_of, with_overrides

TREE: Tree = {"seed": Decision(0, "no other"), "teacher": {"steps": Decision(40, "2 min")}}


def test_a_tree_has_the_shape_of_a_configuration() -> None:
    assert values_of(TREE) == {"seed": 0, "teacher": {"steps": 40}}
    assert [path for path, _ in leaves(TREE)] == ["seed", "teacher.steps"]


def test_what_is_set_stands_and_the_rest_keeps_its_reason() -> None:
    tree = with_overrides(TREE, ["teacher.steps=7", "labelling.max_failures=3", "seed=0"])
    assert dict(leaves(tree)) == {
        "seed": Decision(0, "no other"),
        "teacher.steps": Decision(7, "as given"),
        "labelling.max_failures": Decision(3, "as given"),
    }
    with pytest.raises(ConfigError, match="wanted a"):
        with_overrides(TREE, ["teacher"])


def test_values_may_be_used_again_for_another_reason() -> None:
    assert again(TREE, "as above")["teacher"] == {"steps": Decision(40, "as above")}
