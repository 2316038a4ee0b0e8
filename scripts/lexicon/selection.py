"""What captions put after which verb and preposition: counts that keep replacements idiomatic.

    python scripts/lexicon/selection.py --captions captions.parquet

Parses the captions with negagen itself and writes negagen/lexicon/selection.json: for each context ("sit on", "ride",
"in", "red _") seen often enough, the nouns seen in it. Only these counts enter the repository, never a caption.
Run it after a change of the grammar or of the noun classes; the same input gives the same bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from parsed import SOURCE, asked_for, parses, write

from negagen.lexicon.selection import ANY_VERB, FILE_NAME, FORMAT, attribute_context, context_name
from negagen.ops.context import verb_and_preposition

MIN_CONTEXT = 40
MIN_PLACE = 25  # of a verb with its preposition, after which little else is said
ONCE_IS_ENOUGH = 100  # in contexts rarer than this


def count(captions: list[str]) -> dict[str, Counter[str]]:
    """Nouns of the lexicon by context."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for parse in parses(captions):
        for phrase in parse.phrases:
            if phrase.entry is not None:
                for index in phrase.attributes:
                    found[attribute_context(parse.tokens[index].lower)][phrase.lemma] += 1
        for relation in parse.relations:
            phrase = parse.phrases[relation.object]
            if relation.kind == "coordination" or phrase.entry is None:
                continue
            verb, preposition = verb_and_preposition(parse, relation)
            found[context_name(verb, preposition)][phrase.lemma] += 1
            if preposition:
                found[context_name(ANY_VERB, preposition)][phrase.lemma] += 1
    return found


def main() -> None:
    captions, output = asked_for(__doc__, FILE_NAME)
    contexts: dict[str, tuple[int, dict[str, int]]] = {}
    for context, nouns in sorted(count(captions).items()):
        if context and nouns.total() >= (MIN_PLACE if " " in context and "_" not in context else MIN_CONTEXT):
            fewest = 1 if nouns.total() < ONCE_IS_ENOUGH else 2
            kept = sorted((noun, n) for noun, n in nouns.items() if n >= fewest)
            contexts[context] = (nouns.total(), dict(kept))
    document = {
        "format": FORMAT,
        "source": SOURCE,
        "contexts": contexts,
    }
    write(document, output)
    print(f"{len(contexts)} contexts, {sum(len(n) for _, n in contexts.values())} pairs, {output}")


if __name__ == "__main__":
    main()
