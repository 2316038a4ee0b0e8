"""Benchmarks with several false captions a picture: What'sUp, NegBench's questions, and the order of words (ARO)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import lists_of, need, picture_of, rows_of
from negagen.evaluate.benchmarks.retrieval import captioned
from negagen.evaluate.items import Choices, Gathering
from negagen.seeding import Stream, key_of

_AXES = {"left": "horizontal", "right": "horizontal"}
_CONTROLLED = {"controlled_images_dataset.json": "A", "controlled_clevr_dataset.json": "B"}
_TWO_CAPTIONS = ("coco_qa_one_obj", "coco_qa_two_obj", "vg_qa_one_obj", "vg_qa_two_obj")
_MARKS = re.compile(r"""[.!"()*#:;~]""")
_TRIGRAM = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_MOST_WORDS = 30


def whats_up(folder: Path) -> Choices:
    """What'sUp (arXiv 2310.19785): controlled pictures A and B (four prepositions; also pairs and sets of which all
    must be right), and COCO-spatial and GQA-spatial with one or two objects (two captions). The macro is the mean of
    the files that are there."""
    found = Gathering()
    for file, subset in _CONTROLLED.items():
        if not (path := folder / file).exists():
            continue
        rows = rows_of(path)
        need(rows, path, "image_path", "caption_options")
        for number, row in enumerate(rows):
            options, picture = row.get("caption_options"), picture_of(row.get("image_path"))
            if picture is None or not isinstance(options, list) or len(options) < 2:
                found.skip("no picture is named" if picture is None else "a text is missing")
                continue
            sets = _sets(Path(picture.name).stem, subset)
            found.add(f"{subset}/{number}", f"controlled {subset}", [picture], options[:1], options[1:], sets=sets)
    for name in _TWO_CAPTIONS:
        if not (path := folder / f"{name}.json").exists():
            continue
        for number, triple in enumerate(lists_of(path, "[image id, true caption, false caption]")):
            if len(triple) != 3 or (picture := picture_of(triple[0])) is None:
                found.skip("not a picture with two captions")
                continue
            # COCO's files are named by twelve digits, Visual Genome's by the bare number.
            if name.startswith("coco") and picture.name.isdigit() and (padded := picture_of(picture.name.zfill(12))):
                picture = padded
            found.add(f"{name}/{number}", name, [picture], triple[1:2], triple[2:])
    if not found.found:
        files = [*_CONTROLLED, *(f"{name}.json" for name in _TWO_CAPTIONS)]
        raise DataError(f"{folder}: none of What'sUp's files in it ({', '.join(files)}).")
    return _made("whatsup", found, macro=True)


def _sets(stem: str, subset: str) -> tuple[tuple[str, str], ...]:
    """Pictures of one pair of objects: "mug_left_of_plate" and "mug_right_of_plate" are a pair, all four a set."""
    parts = stem.split("_")
    if len(parts) < 3:
        return ()
    objects = f"{subset} {parts[0]} {parts[-1]}"
    return (("pair", f"{objects} {_AXES.get(parts[1], 'other')}"), ("set", objects))


def negbench_mcq(path: Path, name: str) -> Choices:
    """NegBench's multiple choice (arXiv 2501.09425): one of four captions is true; by the kind of the true one."""
    rows = rows_of(path)
    need(rows, path, "caption_0", "caption_1", "correct_answer")
    columns = sorted(column for column in rows[0] if re.fullmatch(r"caption_\d+", column))
    found = Gathering()
    for number, row in enumerate(rows):
        answer, picture = str(row.get("correct_answer")), picture_of(row.get("image_path") or row.get("filepath"))
        if picture is None or f"caption_{answer}" not in columns:
            found.skip("no picture is named" if picture is None else "its answer is none of its captions")
            continue
        others = [row.get(column) for column in columns if column != f"caption_{answer}"]
        found.add(number, row.get("correct_answer_template"), [picture], [row.get(f"caption_{answer}")], others)
    return _made(name, found)


def word_order(path: Path, name: str) -> Choices:
    """ARO's COCO-Order and Flickr30k-Order (arXiv 2210.01936): the caption among four shuffles of its words.

    The shuffles (nouns and adjectives; all but these; within trigrams; of trigrams) are drawn anew, by the
    caption, with negagen's own tagger where the authors drew from an unseeded generator with spaCy's, so that scores
    are near the published ones, not equal. A shuffle that leaves the caption as it was is left out and counted; in
    the authors' code it is a tie that counts as right.
    """
    pairs, skipped = captioned(path)
    texts = [text for _, own in pairs for text in own]
    nouns = iter(_tagged(texts))
    found = Gathering()
    for reason, count in skipped.items():
        for _ in range(count):
            found.skip(reason)
    for row, (picture, own) in enumerate(pairs):
        for column, text in enumerate(own):
            words, kinds = next(nouns)
            false = [_plain(one) for one in shuffles(text, words, kinds, Stream(key_of("word order", 0, text)))]
            found.add(f"{row}/{column}", "", [picture], [_plain(text)], false)
    return _made(name, found)


def shuffles(text: str, words: Sequence[str], kinds: Sequence[str], stream: Stream) -> list[str]:
    """The four shuffles of `text`, whose tokens are `words`, each "noun", "adjective" or anything else in `kinds`."""
    pieces = _TRIGRAM.findall(text)
    trigrams = [pieces[start : start + 3] for start in range(0, len(pieces), 3)]
    out = []
    for chosen in (("noun", "adjective"), ("other",)):
        mixed = list(words)
        for kind in chosen:
            places = [place for place, own in enumerate(kinds) if own == kind]
            for place, word in zip(places, stream.shuffled([words[place] for place in places]), strict=True):
                mixed[place] = word
        out.append(" ".join(mixed))
    out.append(" ".join(word for trigram in trigrams for word in stream.shuffled(trigram)))
    out.append(" ".join(word for trigram in stream.shuffled(trigrams) for word in trigram))
    return out


def _tagged(texts: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    # The one place where evaluating needs a tagger: imported here alone.
    from negagen.lexicon import load
    from negagen.parsing import DEFAULT_PIPELINE, load_parser

    def kind(tag: str) -> str:
        return "noun" if tag.startswith("NN") else "adjective" if tag.startswith("JJ") else "other"

    parses = load_parser(DEFAULT_PIPELINE, load()).parse(texts)
    return [([one.text for one in parse.tokens], [kind(one.tag) for one in parse.tokens]) for parse in parses]


def _plain(text: str) -> str:
    """As BLIP and ARO prepare captions: lower case, without marks, thirty words at most."""
    return " ".join(_MARKS.sub(" ", text.lower()).split()[:_MOST_WORDS])


def _made(name: str, found: Gathering, *, macro: bool = False) -> Choices:
    return Choices(
        name, "text", tuple(found.items), "accuracy", macro=macro, found=found.found, skipped=dict(found.skipped),
        notes=dict(found.notes),
    )  # fmt: skip
