"""Rewordings that leave a caption true."""

import pytest

from negagen import Negator
from negagen.errors import RuleError
from negagen.ruleset import load_rules
from tests.ops.proposals import assert_fluent, judged, rule_of, texts

_MANY = 400
CAPTIONS = (
    "A man and a woman riding two horses near a couch",
    "A large red bus next to a small car on a road",
    "A child throwing a ball at a dog in a yard",
    "A picture of an airplane on a runway",
    "Two dogs sleep in a field",
    "A cat above a goat",
    "A boy with no cap",
)


@pytest.mark.parametrize(
    ("rule", "caption", "made"),
    [
        ("synonym-object", "A goat on a couch", {"A goat on a sofa"}),
        ("synonym-object", "Two goats on sofas", {"Two goats on couches"}),
        ("synonym-object", "An infant in a yard", {"A baby in a yard"}),
        ("synonym-picture", "Picture of a goat", {"Photo of a goat", "Image of a goat", "Photograph of a goat"}),
        ("synonym-attribute", "A large goat", {"A big goat"}),
        ("synonym-action", "A boy is tossing a ball", {"A boy is throwing a ball"}),
        ("synonym-phrase", "A goat beside a barn", {"A goat next to a barn"}),
        ("synonym-phrase", "Several goats in a yard", {"A number of goats in a yard"}),
        ("reorder-conjuncts", "A goat and two ducks are eating", {"Two ducks and a goat are eating"}),
        ("reorder-conjuncts", "A plate with eggs and bacon", {"A plate with bacon and eggs"}),
        ("converse-relation", "A goat is in front of two ducks", {"Two ducks are behind a goat"}),
        ("converse-relation", "A goat next to an old barn.", {"An old barn next to a goat."}),
        ("change-voice", "A girl feeding two goats", {"Two goats being fed by a girl"}),
        ("change-voice", "Two girls feed a goat", {"A goat is fed by two girls"}),
        ("change-voice", "A goat is being fed by two girls in a yard.", {"Two girls are feeding a goat in a yard."}),
        ("change-voice", "Two goats are led by a girl", {"A girl leads two goats"}),
        ("change-tense", "A girl is feeding a goat", {"A girl feeding a goat", "A girl feeds a goat"}),
        ("change-tense", "A boy and a girl eat", {"A boy and a girl are eating", "A boy and a girl eating"}),
        (
            "change-tense",
            "An apartment building is burning",
            {"An apartment building burning", "An apartment building burns"},
        ),
        ("change-tense", "A boy eating and drinking", {"A boy is eating and drinking"}),
    ],
)
def test_what_means_the_same(rule: str, caption: str, made: set[str]) -> None:
    assert texts(rule, caption, _MANY) == made
    assert_fluent(caption, made)
    assert {verdict.kind for verdict in judged(rule, caption, _MANY).values()} == {"positive"}


@pytest.mark.parametrize(
    ("rule", "caption"),
    [
        ("synonym-object", "A kid's ball"),
        ("synonym-picture", "A goat in a picture of a barn"),
        ("synonym-phrase", "The goat looks inside"),
        ("synonym-phrase", "The two goats in a yard"),
        ("synonym-phrase", "A cart full"),
        ("synonym-phrase", "A man with lots of luggage"),
        ("reorder-conjuncts", "A man on a goat and a duck"),
        ("reorder-conjuncts", "A man with a goat and a duck"),
        ("reorder-conjuncts", "Red apples and oranges"),
        ("reorder-conjuncts", "A goat and its owner"),
        ("reorder-conjuncts", "Fish and chips on a plate"),
        ("converse-relation", "A goat above a duck near a barn"),
        ("converse-relation", "A goat sitting next to a duck"),
        ("converse-relation", "A goat on a barn"),
        ("change-voice", "A girl feeding a goat with a horn"),
        ("change-voice", "A girl feeding her goat"),
        ("change-voice", "A bus washed by a lake"),
        ("change-voice", "A girl wearing a hat"),
        ("change-tense", "A sign that says stop"),
        ("change-tense", "A girl feeding a goat that is wet"),
        ("change-tense", "A kitchen featuring a stove"),
        ("change-tense", "A young man skateboarding jumping on a concrete ramp"),
        ("change-tense", "A young man skateboarding jumps on a concrete ramp"),
        ("change-tense", "A man standing riding a horse"),
        ("change-tense", "A man is sitting reading a book"),
        ("deny-absent", "A goat eating grass"),
        ("deny-absent", "A goat with a bell in a field"),
    ],
)
def test_what_may_not_mean_the_same_is_left_alone(rule: str, caption: str) -> None:
    assert texts(rule, caption, _MANY) == set()


def test_a_synonym_that_stands_already_and_a_denial_are_refused() -> None:
    assert {v.reason for v in judged("synonym-object", "A couch and a sofa", _MANY).values()} == {
        "already in the caption"
    }
    assert {v.kind for v in judged("synonym-object", "No couch in a room", _MANY).values()} == {"reject"}


def test_what_is_denied_is_of_no_family_that_the_caption_names() -> None:
    made = texts("deny-absent", "Two goats in a field", _MANY)
    assert made
    assert not [text for text in made if any(animal in text for animal in ("dog", "horse", "sheep", "zebra"))]
    assert_fluent("Two goats in a field", made)


def test_a_sibling_decides_what_is_denied() -> None:
    negator = Negator(blindness="off", categories=["paraphrase"])
    rules = [rule for rule in negator.rules if rule.name == "deny-absent"]
    negator = Negator(blindness="off", rules=rules)
    weights: dict[str, set[float]] = {}
    for siblings in ((), ("A kite above a field",)):
        for epoch in range(80):
            for found in negator("Two goats eating food in a field", epoch=epoch, siblings=siblings).positives:
                assert not (siblings and "kite" in found.text)
                weights.setdefault(str(siblings), set()).add(found.weight)
    assert list(weights.values()) == [{0.7}, {0.9}]


def test_synonyms_go_both_ways_and_a_rare_word_is_put_in_less() -> None:
    rule = rule_of("paraphrase", "object", "paraphrase", makes="positives", words={"man": ["guy"]})
    from tests.ops.proposals import candidates

    rare, common = candidates(rule, "A man on a hill", _MANY), candidates(rule, "A guy on a hill", _MANY)
    assert len(common) == _MANY
    assert 0 < len(rare) < _MANY / 3


@pytest.mark.parametrize("blindness", ["off", "balanced"])
def test_positives_leave_the_negatives_as_they_are(blindness: str) -> None:
    rules = load_rules()
    full = Negator(blindness=blindness, rules=rules)
    bare = Negator(blindness=blindness, rules=[rule for rule in rules if rule.makes == "negatives"])
    for one, other in zip(full.pipe(CAPTIONS), bare.pipe(CAPTIONS), strict=True):
        assert one.negatives == other.negatives
        texts_ = [found.text for found in (*one.negatives, *one.positives)]
        assert len({text.lower() for text in (*texts_, one.text or "")}) == len(texts_) + 1
        assert len(one.positives) <= 2
    assert sum(bool(result.positives) for result in full.pipe(CAPTIONS)) >= 5


def test_op_category_and_makes_go_together(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "wrong.toml"
    path.write_text(
        '[[rule]]\nname = "a"\nop = "paraphrase"\nrole = "object"\ncategory = "paraphrase"\nabout = "-"\nsource = "-"\n'
    )
    with pytest.raises(RuleError, match="go together"):
        load_rules([path])
