"""Exchanges: of heads, whole phrases and attributes."""

import pytest

from tests.ops.proposals import assert_fluent, candidates, texts


@pytest.mark.parametrize(
    ("rule", "caption", "made"),
    [
        ("swap-objects", "A bowl under a spoon", "A spoon under a bowl"),
        ("swap-objects", "Three ducks behind a goat", "Three goats behind a duck"),
        ("swap-objects", "Two bowls on a tray", "Two trays on a bowl"),
        ("swap-objects", "A man in front of an old woman", "A woman in front of an old man"),
        ("swap-objects", "A goat behind an elephant", "An elephant behind a goat"),
        ("swap-objects", "A small spoon and two large forks", "A small fork and two large spoons"),
        ("swap-objects", "A traffic light behind a fire hydrant", "A fire hydrant behind a traffic light"),
        ("swap-phrases", "A tall lamp behind two small chairs", "Two small chairs behind a tall lamp"),
        ("swap-phrases", "Two cars are behind a truck", "A truck is behind two cars"),
        ("swap-phrases", "A red van in front of a wooden shed", "A wooden shed in front of a red van"),
        ("swap-phrases", "A goat behind a fence", "A fence behind a goat"),
        ("swap-roles", "A goat follows two ducks", "Two ducks follow a goat"),
        ("swap-roles", "Two boys chase a goose", "A goose chases two boys"),
        ("swap-roles", "The men are pulling a cow.", "A cow is pulling the men."),
        ("swap-roles", "An old woman pushing a girl", "A girl pushing an old woman"),
        ("swap-attributes", "A pink vase beside a green bowl", "A green vase beside a pink bowl"),
        ("swap-attributes", "A green bowl on a wooden shelf", "A wooden bowl on a green shelf"),
        ("swap-attributes", "A striped rug below a pink lamp", "A pink rug below a striped lamp"),
        ("swap-counts", "Two goats and a duck are in a barn", "A goat and two ducks are in a barn"),
        ("swap-counts", "Three girls are feeding two ducks", "Two girls are feeding three ducks"),
        ("swap-counts", "A girl is feeding four old geese", "Four girls are feeding an old goose"),
        ("swap-attributes", "An orange kite above a blue boat", "A blue kite above an orange boat"),
    ],
)
def test_places_are_changed(rule: str, caption: str, made: str) -> None:
    assert texts(rule, caption, 4) == {made}
    assert_fluent(caption, {made})


@pytest.mark.parametrize(
    ("rule", "caption"),
    [
        ("swap-objects", "A slice of cake on a plate"),
        ("swap-objects", "A man on a bus"),
        ("swap-objects", "A girl's cat behind a dog"),
        ("swap-phrases", "A cup next to a bowl"),
        ("swap-phrases", "A girl in front of a laptop"),  # which is in front of her, too
        ("swap-phrases", "A goat standing behind a fence"),  # a fence does not stand
        ("swap-attributes", "A small bowl on a green shelf"),  # size and colour may hold of both
        ("swap-counts", "Two goats and two ducks"),
        ("swap-counts", "Two goats and several ducks"),
        ("swap-counts", "Two girls with their duck"),
        ("swap-counts", "Two goats look at each other beside a duck"),
        ("swap-counts", "Two ducks and a girl in a hat"),  # two girls do not share one hat
        ("swap-roles", "A boy hugging a goat"),
        ("swap-roles", "A boy feeding his goat"),  # whose goat would it be?
        ("swap-roles", "He carries a boy"),
        ("swap-roles", "A man carrying a bag"),
        ("swap-roles", "A horse pulled by a man"),
        ("swap-attributes", "A wooden bench beside a large gate"),
        ("swap-attributes", "A young boy beside an old gate"),
        ("swap-attributes", "A black and white cat beside a brown dog"),
        ("swap-attributes", "A green bowl and a pink green vase"),
        ("swap-attributes", "A red car beside a red truck"),
    ],
)
def test_nothing_to_exchange(rule: str, caption: str) -> None:
    assert texts(rule, caption, 4) == set()


def test_attributes_stay_where_they_are_when_heads_move() -> None:
    assert texts("swap-objects", "A small duck behind a brown goat") == {"A small goat behind a brown duck"}


def test_three_things_make_three_pairs() -> None:
    made = texts("swap-attributes", "A red bus, a blue car and a green truck")
    assert made == {
        "A blue bus, a red car and a green truck",
        "A green bus, a blue car and a red truck",
        "A red bus, a green car and a blue truck",
    }


def test_candidates_say_what_was_exchanged() -> None:
    (candidate,) = candidates("swap-objects", "Two bowls on a tray", 1)
    assert (candidate.operation, candidate.role, candidate.old, candidate.new) == ("swap", "object", "bowl", "tray")
    assert candidate.sites == (0, 1)
    assert candidate.relation == 0
