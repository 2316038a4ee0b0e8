"""The checks do not rest on the shipped word lists: what a rule of one's own proposes is judged as well."""

from __future__ import annotations

import pytest

from negagen import Negator

_NEAR = "synonym, hypernym, hyponym or near shade"
_RELATED = "the relations may hold together"
CASES = [
    ("object", "A dog on a couch", "dog", "animal", _NEAR),
    ("object", "A dog on a couch", "dog", "puppy", _NEAR),
    ("object", "A dog on a couch", "dog", "poodle", _NEAR),
    ("object", "A woman on a bench", "woman", "person", _NEAR),
    ("object", "A boy with a kite", "boy", "child", _NEAR),
    ("object", "A car on a street", "car", "vehicle", _NEAR),
    ("object", "A plane in the sky", "plane", "jet", _NEAR),
    ("object", "A mug on a table", "mug", "cup", _NEAR),
    ("object", "A house by a lake", "house", "building", _NEAR),
    ("object", "A sheep in a field", "sheep", "lamb", _NEAR),
    ("object", "An animal in a field", "animal", "cow", _NEAR),
    ("attribute", "A red car", "red", "crimson", _NEAR),
    ("attribute", "A large dog", "large", "huge", _NEAR),
    ("attribute", "A large dog", "large", "brown", "the attributes may hold together"),
    ("attribute", "A wooden table", "wooden", "old", "the attributes may hold together"),
    ("attribute", "A young man", "young", "teenage", _NEAR),
    ("relation", "A cat on a table", "on", "above", _RELATED),
    ("relation", "A cat on a table", "on", "near", _RELATED),
    ("relation", "A bench next to a tree", "next to", "near", _RELATED),
    ("relation", "A bench near a tree", "near", "behind", _RELATED),
    ("action", "A man walking down a street", "walk", "stroll", _NEAR),
]
CATEGORIES = {"object": "obj", "attribute": "att", "relation": "rel", "action": "rel"}


@pytest.fixture(scope="module")
def negator(tmp_path_factory: pytest.TempPathFactory) -> Negator:
    path = tmp_path_factory.mktemp("rules") / "own.toml"
    text = ""
    for role, category in CATEGORIES.items():
        words: dict[str, list[str]] = {}
        for mine, _, old, new, _ in CASES:
            if mine == role:
                words.setdefault(old, []).append(new)
        text += f'[[rule]]\nname = "own-{role}"\nop = "replace"\nrole = "{role}"\ncategory = "replace_{category}"\n'
        text += 'about = "Words of our own."\nsource = "own idea"\n[rule.words]\n'
        text += "".join(f'"{old}" = {new!r}\n' for old, new in words.items())
        text += '[[rule.example]]\ncaption = "A dog"\nsilent = true\n'
        text += '[[rule.example]]\ncaption = "A cat"\nallows = ["A dog"]\nforbids = ["A cow"]\n'
    path.write_text(text, encoding="utf-8")
    return Negator(k=8, blindness="off", explain=True, rules=path)


@pytest.mark.parametrize(("role", "caption", "old", "new", "reason"), CASES)
def test_refused(negator: Negator, role: str, caption: str, old: str, new: str, reason: str) -> None:
    refused: dict[str, str] = {}
    for epoch in range(8):
        result = negator(caption, epoch=epoch)
        refused.update((each.text, each.reason) for each in result.rejected if each.rule == f"own-{role}")
        assert not any(new in negative.text.split() for negative in result.negatives)
    assert {each for text, each in refused.items() if new.removesuffix("e") in text or "stroll" in text} == {reason}
