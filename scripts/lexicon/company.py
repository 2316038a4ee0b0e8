"""Which things captions name beside which words: counts that keep replacements at home in their caption.

    python scripts/lexicon/company.py --captions captions.parquet

Parses the captions with negagen itself and writes negagen/lexicon/company.json: for each content word of enough
captions, in how many of these each noun of the lexicon stands elsewhere. Only these counts enter the repository, never
a caption. Run it after a change of the grammar or of the noun classes; the same input gives the same bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from parsed import SOURCE, asked_for, parses, write

from negagen.checks.company import content
from negagen.lexicon.company import FILE_NAME, FORMAT

FEWEST_WORD = 15
FEWEST_NOUN = 8


def count(captions: list[str]) -> tuple[Counter[str], Counter[str], dict[str, Counter[str]]]:
    """In how many captions each word is, and each noun, and each noun beside each word."""
    words: Counter[str] = Counter()
    nouns: Counter[str] = Counter()
    beside: dict[str, Counter[str]] = defaultdict(Counter)
    for parse in parses(captions):
        said: dict[str, list[int]] = defaultdict(list)
        for index, word in content(parse):
            said[word].append(index)
        words.update(said.keys())
        first = {phrase.lemma: phrase for phrase in reversed(parse.phrases) if phrase.entry is not None}
        nouns.update(first.keys())
        for lemma, phrase in first.items():
            for word, places in said.items():
                if any(not phrase.unit <= index < phrase.stop for index in places):
                    beside[word][lemma] += 1
    return words, nouns, beside


def main() -> None:
    captions, output = asked_for(__doc__, FILE_NAME)
    words, nouns, beside = count(captions)
    names = sorted(noun for noun, n in nouns.items() if n >= FEWEST_NOUN)
    number = {name: index for index, name in enumerate(names)}
    rows: dict[str, tuple[int, list[int], list[int]]] = {}
    for word in sorted(word for word, n in words.items() if n >= FEWEST_WORD):
        found = sorted((number[noun], n) for noun, n in beside[word].items() if noun in number)
        rows[word] = (words[word], [place for place, _ in found], [n for _, n in found])
    document = {
        "format": FORMAT,
        "source": SOURCE,
        "captions": len(captions),
        "nouns": names,
        "counts": [nouns[name] for name in names],
        "words": rows,
    }
    write(document, output)
    print(f"{len(names)} nouns, {len(rows)} words, {sum(len(row[1]) for row in rows.values())} pairs, {output}")


if __name__ == "__main__":
    main()
