"""Which benchmarks there are, where each comes from, and how its files must lie below the root folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from negagen.errors import DataError
from negagen.evaluate.benchmarks import captions, generic, pictures, retrieval, several, zeroshot
from negagen.evaluate.items import Benchmark, Role
from negagen.ruleset import nearest


@dataclass(frozen=True, slots=True)
class Known:
    """A benchmark that negagen reads.

    `folder` is where it lies below the root, `files` what must be there, any one of the patterns of each group;
    `source` is where it comes from, `images` whose pictures it shows, `open` reads it.
    """

    name: str
    about: str
    folder: str
    files: tuple[tuple[str, ...], ...]
    source: str
    images: str
    open: Callable[[Path], Benchmark]
    role: Role = "composition"

    def missing(self, root: Path) -> list[str]:
        """What is not there, below `root`."""
        place = root / self.folder
        return [
            f"{self.folder}/{' or '.join(group)}" for group in self.files if not any(_any(place, one) for one in group)
        ]


def _any(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None if folder.is_dir() else False


def _each(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((f"{name}.json",) for name in names)


def _retrieval(file: str, name: str) -> Callable[[Path], Benchmark]:
    def read(folder: Path) -> Benchmark:
        return retrieval.karpathy(pictures.first_of(folder, *_KARPATHY[file]), name)

    return read


def _order(file: str, name: str) -> Callable[[Path], Benchmark]:
    def read(folder: Path) -> Benchmark:
        return several.word_order(pictures.first_of(folder, *_KARPATHY[file]), name)

    return read


def _mcq(patterns: tuple[str, ...], name: str) -> Callable[[Path], Benchmark]:
    def read(folder: Path) -> Benchmark:
        return several.negbench_mcq(pictures.first_of(folder, *patterns), name)

    return read


def _negated(folder: Path) -> Benchmark:
    path = pictures.first_of(folder, "*negated_retrieval*.csv", "images/*negated_retrieval*.csv")
    return retrieval.from_table(path, "negbench-retrieval", role="composition", headline="text to image R@5")


_KARPATHY = {
    "coco": ("dataset_coco.json", "coco_karpathy_test.json"),
    "flickr30k": ("dataset_flickr30k.json", "flickr30k_test.json"),
}
_COCO, _VG = "COCO val2017 (or 2014)", "Visual Genome"

KNOWN: Mapping[str, Known] = {
    known.name: known
    for known in (
        Known(
            "sugarcrepe", "seven kinds of hard negatives", "sugarcrepe", _each(captions.SUGARCREPE),
            "github.com/RAIVNLab/sugar-crepe, data/", _COCO, captions.sugarcrepe,
        ),
        Known(
            "sugarcrepe++", "two true captions and a false one: ITT, TOT", "sugarcrepe_pp",
            _each(captions.SUGARCREPE_PP), "github.com/Sri-Harsha/scpp, data/", _COCO, captions.sugarcrepe_pp,
        ),
        Known(
            "valse", "foils by linguistic phenomenon", "valse", _each(captions.VALSE),
            "github.com/Heidelberg-NLP/VALSE, data/", "COCO, VisDial, Visual7W, SWiG", captions.valse,
        ),
        Known(
            "aro-relation", "VG-Relation, macro over relations", "aro", (("visual_genome_relation.json",),),
            "github.com/mertyg/vision-language-models-are-bows", "its vgr_vga_images.zip", captions.vg_relation,
        ),
        Known(
            "aro-attribution", "VG-Attribution, macro over pairs of attributes", "aro",
            (("visual_genome_attribution.json",),), "github.com/mertyg/vision-language-models-are-bows",
            "its vgr_vga_images.zip", captions.vg_attribution,
        ),
        Known(
            "coco-order", "the caption among four shuffles of its words", "coco", (_KARPATHY["coco"],),
            "Karpathy's splits, caption_datasets.zip", "COCO val2014", _order("coco", "coco-order"),
        ),
        Known(
            "flickr30k-order", "the caption among four shuffles of its words", "flickr30k", (_KARPATHY["flickr30k"],),
            "Karpathy's splits, caption_datasets.zip", "Flickr30k", _order("flickr30k", "flickr30k-order"),
        ),
        Known(
            "winoground", "two pictures, two texts of the same words", "winoground",
            (("examples.jsonl", "data/examples.jsonl", "*.parquet", "data/*.parquet"),),
            "huggingface.co/datasets/facebook/winoground", "its images.zip", pictures.winoground,
        ),
        Known(
            "bivlc", "both ways between two pictures and two texts", "bivlc", (("**/*.parquet",),),
            "huggingface.co/datasets/imirandam/BiVLC", "in its files", pictures.bivlc,
        ),
        Known(
            "cola", "multi-object: attributes and objects exchanged", "cola",
            (("COLA_multiobjects_matching_benchmark.json", "data/COLA_multiobjects_matching_benchmark.json"),),
            "github.com/arijitray1993/COLA, data/", _VG, pictures.cola,
        ),
        Known(
            "svo-probes", "which picture shows subject, verb, object", "svo_probes", (("*.csv",),),
            "github.com/google-deepmind/svo_probes", "by its links, named ID.jpg", pictures.svo_probes,
        ),
        Known(
            "comvg", "which picture shows subject, verb, object", "comvg", (("*.csv",),),
            "github.com/eric-ai-lab/ComCLIP", f"{_VG}, named ID.jpg", pictures.comvg,
        ),
        Known(
            "vl-checklist", "objects, attributes, relations", "vl_checklist",
            (("Attribute/**/*.json", "Object/**/*.json", "Relation/**/*.json"),),
            "github.com/om-ai-lab/VL-CheckList, data/", "Visual Genome, VAW, HAKE, SWiG", captions.vl_checklist,
        ),
        Known(
            "crepe", "productivity and systematicity", "crepe",
            (("**/prod_vg_hard_negs_*.csv", "**/syst_vg_hard_negs_*.csv"),),
            "github.com/RAIVNLab/CREPE", _VG, captions.crepe,
        ),
        Known(
            "whatsup", "prepositions, controlled", "whatsup",
            ((*several._CONTROLLED, *(f"{name}.json" for name in several._TWO_CAPTIONS)),),
            "github.com/amitakamath/whatsup_vlms", "its archives; COCO val2017; GQA", several.whats_up,
        ),
        *(
            Known(
                name, f"negation, one of four captions, {images}", "negbench", (patterns,),
                "github.com/m1k2zoo/negbench, datasets.md", images, _mcq(patterns, name),
            )
            for name, patterns, images in (
                ("negbench-coco", ("COCO_val_mcq*.csv", "images/COCO_val_mcq*.csv"), "COCO val2017"),
                ("negbench-voc", ("VOC2007_mcq*.csv", "images/VOC2007_mcq*.csv"), "VOC2007 test"),
            )
        ),
        Known(
            "negbench-retrieval", "retrieval by captions that deny something", "negbench",
            (("*negated_retrieval*.csv", "images/*negated_retrieval*.csv"),),
            "github.com/m1k2zoo/negbench, datasets.md", "COCO val2017", _negated,
        ),
        Known(
            "coco-retrieval", "R@1, 5, 10 both ways, Karpathy's test split", "coco", (_KARPATHY["coco"],),
            "Karpathy's splits, caption_datasets.zip", "COCO val2014", _retrieval("coco", "coco-retrieval"),
            "retention",
        ),
        Known(
            "flickr30k-retrieval", "R@1, 5, 10 both ways, Karpathy's test split", "flickr30k",
            (_KARPATHY["flickr30k"],), "Karpathy's splits, caption_datasets.zip", "Flickr30k",
            _retrieval("flickr30k", "flickr30k-retrieval"), "retention",
        ),
        Known(
            "imagenet", "zero-shot top 1 and 5; class names and templates by file", "imagenet/val", (("*/*.*",),),
            "image-net.org; a folder for each class", "in its folders",
            lambda folder: zeroshot.zero_shot(folder, "imagenet"), "retention",
        ),
    )
}  # fmt: skip
"""By name, in the order in which they are listed."""

OWN = {
    "generic": "FILE with image, negatives, and caption or positives; what `negagen generate` writes",
    "pairs": "FILE with image_0, image_1, caption_0, caption_1, as Winoground's",
    "retrieval": "FILE with image and caption (and image_id), several captions a picture",
    "zeroshot": "FOLDER with a folder of pictures for each class",
}
"""Kinds of benchmarks of one's own: `generic:FILE`, and what the file must hold."""


def open_benchmark(name: str, root: Path | str | None = None) -> Benchmark:
    """The benchmark of a name as in `KNOWN`, read from below `root`; or one of `OWN`, such as `generic:FILE`.

    A name of one's own may go before a file: `generic:held-out=FILE`.

    Raises:
        DataError: no such benchmark, or its files are missing, damaged, or hold nothing that can be asked.
    """
    kind, _, rest = name.partition(":")
    if kind in OWN and rest:
        found = _own(kind, rest)
    elif name in KNOWN:
        if root is None:
            raise DataError(
                f"{name} is read from a folder: give it with --root DIR (of finetune and patch: --eval-root DIR)."
                " `negagen evaluate --list` shows its files."
            )
        known = KNOWN[name]
        if missing := known.missing(Path(root)):
            raise DataError(
                f"{name}: {Path(root)} lacks {', '.join(missing)}. It comes from {known.source}; nothing is downloaded."
            )
        found = replace(
            known.open(Path(root) / known.folder), role=known.role, folders=(str(Path(root) / known.folder),)
        )
    else:
        hint = nearest(name, [*KNOWN, *(f"{kind}:FILE" for kind in OWN)])
        raise DataError(f"no benchmark is named {name!r}{hint}. `negagen evaluate --list` shows all.")
    if not found.pictures():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.skipped.items())
        raise DataError(f"{name} holds nothing that can be asked{f': {reasons}' if reasons else ''}.")
    return found


def _own(kind: str, rest: str) -> Benchmark:
    label, equals, place = rest.partition("=")
    if not equals or Path(rest).exists():
        label, place = "", rest
    path = Path(place)
    label = label or (path.stem if path.suffix else path.name)
    if kind == "zeroshot":
        return zeroshot.zero_shot(path, label)
    readers: dict[str, Callable[[Path, str], Benchmark]] = {
        "generic": generic.generic,
        "pairs": pictures.pairs,
        "retrieval": retrieval.from_table,
    }
    found = readers[kind](path, label)
    return replace(found, folders=(str(path.parent),))
