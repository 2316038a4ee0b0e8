"""The compiled lexicon: what every look-up promises."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from negagen.errors import ResourceError
from negagen.lexicon import Entry, Lexicon, load, reader

WORDS = Path(__file__).resolve().parents[2] / "rules" / "en" / "lexicon"


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load()


def every_entry(lexicon: Lexicon) -> list[Entry]:
    senses = [s for kind in (lexicon.attributes, lexicon.actions) for e in kind.values() for s in e.senses]
    return [*lexicon.nouns.values(), *senses]


def test_load_is_cached() -> None:
    assert load() is load()


def test_entries_cannot_be_changed(lexicon: Lexicon) -> None:
    dog = lexicon.noun("dog")
    assert dog is not None
    with pytest.raises(FrozenInstanceError):
        dog.lemma = "cat"  # type: ignore[misc]
    with pytest.raises(TypeError):
        lexicon.nouns["dog"] = dog  # type: ignore[index]


def test_dog_is_an_animal_and_nothing_else(lexicon: Lexicon) -> None:
    dog = lexicon.noun("dog")
    assert dog is not None
    assert {name.partition(".")[0] for name in dog.classes} == {"animal"}
    assert "cat" in dog.replacements
    for other in dog.replacements:
        found = lexicon.noun(other)
        assert found is not None
        assert "person" not in found.names
    assert {"dog", "puppy", "animal"} <= dog.excluded
    assert dog.forms == {"NN": "dog", "NNS": "dogs"}


def test_replacements_are_contraries_with_forms_and_frequency(lexicon: Lexicon) -> None:
    kinds = {"noun": lexicon.noun, "attribute": lexicon.attribute, "action": lexicon.action}
    for entry in every_entry(lexicon):
        assert len(entry.replacements) == len(set(entry.replacements)) == len(entry.cumulative)
        assert list(entry.cumulative) == sorted(set(entry.cumulative)), entry.lemma
        assert entry.lemma in entry.excluded
        assert entry.excluded.isdisjoint(entry.replacements), entry.lemma
        assert entry.group.isdisjoint(entry.replacements), entry.lemma
        for word in entry.replacements:
            other = kinds[entry.kind](word)
            assert other is not None, (entry.lemma, word)
            assert other.offered, (entry.lemma, word)
            assert other.forms, word
            assert other.frequency > 0, word


def test_a_replacement_shares_a_class(lexicon: Lexicon) -> None:
    for kind in ("attribute", "action"):
        table = lexicon.attributes if kind == "attribute" else lexicon.actions
        for entry in table.values():
            for sense in entry.senses:
                members = lexicon.members(kind, sense.classes[0])
                assert set(sense.replacements) <= set(members), sense


def test_exclusion_goes_both_ways_within_a_group(lexicon: Lexicon) -> None:
    for table in (lexicon.attributes, lexicon.actions):
        for entry in table.values():
            for sense in entry.senses:
                for word in sense.group:
                    (other,) = (s for s in table[word].senses if s.classes == sense.classes)
                    assert sense.lemma in other.excluded


@pytest.mark.parametrize(
    ("attribute", "noun", "expected", "refused"),
    [
        ("young", "man", "old", "new"),
        ("old", "car", "new", "young"),
        ("red", "bus", "blue", "maroon"),
        ("wooden", "bench", "metal", "wood"),
        ("large", "dog", "small", "big"),
        ("open", "door", "closed", "empty"),
        ("gray", "shirt", "red", "grey"),
    ],
)
def test_attributes_contradict(lexicon: Lexicon, attribute: str, noun: str, expected: str, refused: str) -> None:
    entry, head = lexicon.attribute(attribute), lexicon.noun(noun)
    assert entry is not None
    sense = entry.attribute_sense(head)
    assert sense is not None
    assert expected in sense.replacements
    assert refused not in sense.replacements


@pytest.mark.parametrize(("attribute", "noun"), [("young", "boy"), ("white", "man"), ("small", "child")])
def test_attributes_that_mean_something_else_of_people(lexicon: Lexicon, attribute: str, noun: str) -> None:
    entry = lexicon.attribute(attribute)
    assert entry is not None
    sense = entry.attribute_sense(lexicon.noun(noun))
    assert sense is None or not sense.replacements


def test_multicoloured_holds_with_any_colour(lexicon: Lexicon) -> None:
    entry = lexicon.attribute("colorful")
    assert entry is not None
    assert entry.replacements == ()
    assert not entry.offered


def test_left_and_right_are_never_touched(lexicon: Lexicon) -> None:
    for word in ("left", "right"):
        entry = lexicon.attribute(word)
        assert entry is not None
        assert entry.replacements == ()
    for entry_ in lexicon.attributes.values():
        assert {"left", "right"}.isdisjoint(entry_.replacements)


def test_actions_keep_to_their_frame(lexicon: Lexicon) -> None:
    walk, dog, man, street = (
        lexicon.action("walk"),
        lexicon.noun("dog"),
        lexicon.noun("man"),
        lexicon.noun("street"),
    )
    assert walk is not None
    assert walk.frame == "both"
    legs = walk.action_sense(transitive=False, subject=man, object=street, preposition="down")
    leash = walk.action_sense(transitive=True, subject=man, object=dog)
    assert legs is not None
    assert leash is not None
    assert "run" in legs.replacements
    assert "feed" in leash.replacements
    assert "run" not in leash.replacements


@pytest.mark.parametrize(
    ("lemma", "tag", "form"),
    [
        ("lie", "VBG", "lying"),
        ("lay", "VBD", "laid"),
        ("ride", "VBD", "rode"),
        ("ski", "VBG", "skiing"),
        ("sit", "VBG", "sitting"),
    ],
)
def test_verb_forms(lexicon: Lexicon, lemma: str, tag: str, form: str) -> None:
    entry = lexicon.action(lemma)
    assert entry is not None
    assert entry.forms[tag] == form
    assert lexicon.lemma(form, tag) == lemma


@pytest.mark.parametrize(
    ("plural", "lemma"),
    [
        ("women", "woman"),
        ("knives", "knife"),
        ("sheep", "sheep"),
        ("skis", "ski"),
        ("buses", "bus"),
        ("dishes", "dish"),
        ("children", "child"),
        ("people", "people"),
    ],
)
def test_noun_lemmas(lexicon: Lexicon, plural: str, lemma: str) -> None:
    assert lexicon.lemma(plural, "NNS") == lemma
    assert lexicon.lemma(plural, "NNPS") == lemma


def test_every_plural_leads_back(lexicon: Lexicon) -> None:
    for lemma, entry in lexicon.nouns.items():
        for tag, form in entry.forms.items():
            found = lexicon.lemma(form, tag)
            assert found is not None
            assert lexicon.nouns[found].forms[tag] == form, (lemma, form)


def test_pronouns_are_no_nouns(lexicon: Lexicon) -> None:
    for word in ("it", "i", "others", "something", "one", "he", "hers"):
        assert lexicon.protected(word)
        entry = lexicon.noun(word)
        assert entry is None or not entry.replacements
    assert not lexicon.protected("dog")


def test_frequency(lexicon: Lexicon) -> None:
    assert lexicon.frequency("man") > lexicon.frequency("zebra") > 0
    assert lexicon.frequency("qwertyuiop") == 0


@pytest.mark.parametrize(
    ("first", "words", "kind", "lemma"),
    [
        ("fire", ("fire", "hydrants"), "noun", "fire hydrant"),
        ("living", ("living", "room"), "noun", "living room"),
        ("in", ("in", "front", "of"), "relation", "in front of"),
        ("hot", ("hot", "dogs"), "noun", "hot dog"),
        ("black", ("black", "and", "white"), "idiom", "black and white"),
        ("each", ("each", "other"), "idiom", "each other"),
        ("a", ("a", "couple", "of"), "count", "a couple of"),
    ],
)
def test_units(lexicon: Lexicon, first: str, words: tuple[str, ...], kind: str, lemma: str) -> None:
    found = [unit for unit in lexicon.units[first] if unit.words == words]
    assert [(unit.kind, unit.lemma) for unit in found] == [(kind, lemma)]


def test_units_come_longest_first(lexicon: Lexicon) -> None:
    for first, units in lexicon.units.items():
        lengths = [len(unit.words) for unit in units]
        assert lengths == sorted(lengths, reverse=True)
        assert all(unit.words[0] == first and len(unit.words) > 1 for unit in units)


def test_compiled_file_is_up_to_date(lexicon: Lexicon) -> None:
    """Editing a word file without ``make lexicon`` fails here."""
    total = hashlib.sha256()
    for path in sorted(WORDS.rglob("*.toml")):
        total.update(path.relative_to(WORDS).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    assert lexicon.sources == total.hexdigest(), "run `make lexicon`"


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}', "[]", "not json"])
def test_a_damaged_file_is_a_resource_error(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / reader.FILE_NAME).write_text(content, encoding="utf-8")
    monkeypatch.setattr(reader, "files", lambda package: tmp_path)
    with pytest.raises(ResourceError, match="reinstall negagen"):
        load.__wrapped__()


def test_the_file_is_small() -> None:
    path = Path(reader.__file__).parent / reader.FILE_NAME
    assert path.stat().st_size < 2_500_000
    assert json.loads(path.read_bytes())["format"] == reader.FORMAT
