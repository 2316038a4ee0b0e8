"""Loading a model of `transformers`, its tokenizer and its image processor, and saying what is wrong with them.

Settings are read from the files: `transformers` is asked for no image processor, which would want torchvision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import transformers
from transformers.utils import hub

from negagen.errors import ModelError
from negagen.train.models import ContrastiveModel, Source
from negagen.train.towers import ClipTowers, DualTowers, SiglipTowers, Towers

_KINDS: Final[dict[str, tuple[Source, str]]] = {
    "clip": ("transformers-clip", "CLIPModel"),
    "siglip": ("transformers-siglip", "SiglipModel"),
    "vision-text-dual-encoder": ("dual-encoder", "VisionTextDualEncoderModel"),
}
_VOCABULARIES: Final = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")


def load_transformers(name: str) -> ContrastiveModel:
    """Load a CLIPModel, SiglipModel or VisionTextDualEncoderModel; raises as `negagen.train.models.load`."""
    source, class_name = _recognise(name)
    network = _read_network(name, class_name)
    tokenizer = _read_tokenizer(name)
    preprocessor = _read_preprocessor(name)
    text, vision = network.config.text_config, network.config.vision_config
    if len(tokenizer) > text.vocab_size:
        raise ModelError(
            f"{name}: its tokenizer has {len(tokenizer)} tokens and its text tower {text.vocab_size}: "
            "they belong to two models. Put the tokenizer that the model was trained with into the directory."
        )
    for side in (text, vision):
        if getattr(side, "attention_dropout", 0.0):
            raise ModelError(f"{name}: attention_dropout is not supported here; set it to 0 in config.json")
    context = int(text.max_position_embeddings)
    towers: Towers
    if source == "transformers-clip":
        _check_ends(name, tokenizer)
        towers = ClipTowers(network)
    elif source == "transformers-siglip":
        towers = SiglipTowers(network, pad_id=int(tokenizer.pad_token_id))
    else:
        context = min(context, int(tokenizer.model_max_length))
        towers = DualTowers(network)
    normalised = preprocessor.get("do_normalize", True)
    return ContrastiveModel(
        network,
        towers,
        source=source,
        tokenizer=tokenizer,
        image_size=int(vision.image_size),
        image_mean=preprocessor["image_mean"] if normalised else [0.0] * 3,
        image_std=preprocessor["image_std"] if normalised else [1.0] * 3,
        context_length=context,
        preprocessor=preprocessor,
    )


def _recognise(name: str) -> tuple[Source, str]:
    _refuse_paths(name)
    config = _read_json(name, "config.json")
    if config is None:
        raise _nothing_at(
            name,
            "no config.json in it" if Path(name).is_dir() else "no such directory, nor a model of the hub in reach",
        )
    kind = config.get("model_type")
    if kind not in _KINDS:
        raise ModelError(
            f"{name}: a model of type {kind!r}, not a contrastive image-text model. Expected one of "
            f"{', '.join(class_name for _, class_name in _KINDS.values())}, or an open_clip model."
        )
    return _KINDS[kind]


def _refuse_paths(name: str) -> None:
    """Raise `ModelError` for what is no directory and no ORG/NAME: transformers would ask the hub for half a minute."""
    if Path(name).is_dir():
        return
    if Path(name).exists():
        raise _nothing_at(name, "a file, not a directory")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise _nothing_at(name, "no such directory")


def _nothing_at(name: str, problem: str) -> ModelError:
    return ModelError(
        f"{name}: {problem}. Expected a directory written by save_pretrained or by open_clip, or a name on the "
        "Hugging Face hub such as openai/clip-vit-base-patch32."
    )


def _read_network(name: str, class_name: str) -> Any:
    try:
        network, report = getattr(transformers, class_name).from_pretrained(name, output_loading_info=True)
    except Exception as error:
        raise ModelError(f"{name}: its weights cannot be read as a {class_name}: {error}") from error
    absent = sorted(key for key in report["missing_keys"] if not key.endswith("position_ids"))
    if absent:
        raise ModelError(
            f"{name}: {len(absent)} weights are missing, among them {', '.join(absent[:3])}: "
            "they would be random numbers. Expected the weights of the whole model."
        )
    unfit = sorted(str(key) for key in report.get("mismatched_keys", ()))
    if unfit:
        raise ModelError(f"{name}: weights of another shape than config.json says: {', '.join(unfit[:3])}")
    return network.float()


def _read_tokenizer(name: str) -> Any:
    # Without its files transformers makes a tokenizer that knows no words, rather than fail.
    if not any(_find(name, file) for file in _VOCABULARIES):
        raise ModelError(
            f"{name}: the tokenizer is missing (no tokenizer.json, vocab.json, vocab.txt or spiece.model). "
            "Save the one it was trained with there: AutoTokenizer.from_pretrained(ORIGINAL).save_pretrained(DIR)"
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    except Exception as error:
        raise ModelError(f"{name}: its tokenizer cannot be read: {error}") from error
    if tokenizer.pad_token_id is None:
        raise ModelError(f"{name}: its tokenizer has no padding token; set pad_token in tokenizer_config.json")
    return tokenizer


def _check_ends(name: str, tokenizer: Any) -> None:
    tokens = tokenizer(["a"])["input_ids"][0]
    if tokens[-1] != tokenizer.eos_token_id or tokens.count(tokenizer.eos_token_id) != 1:
        raise ModelError(
            f"{name}: its tokenizer does not close a text with the end-of-text token ({tokenizer.eos_token!r}), "
            "at which this model reads the text's feature. It is the tokenizer of another model."
        )


def _read_preprocessor(name: str) -> dict[str, Any]:
    settings = _read_json(name, "preprocessor_config.json")
    if settings is None:
        settings = (_read_json(name, "processor_config.json") or {}).get("image_processor")
    if settings is None:
        raise ModelError(
            f"{name}: the image processor is missing (no preprocessor_config.json). Its size, mean and standard "
            "deviation are part of the model: AutoImageProcessor.from_pretrained(ORIGINAL).save_pretrained(DIR)."
        )
    if settings.get("do_normalize", True) and not ("image_mean" in settings and "image_std" in settings):
        raise ModelError(f"{name}: preprocessor_config.json has no image_mean or image_std, and do_normalize is on")
    return dict(settings)


def _read_json(name: str, file: str) -> Any:
    path = _find(name, file)
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a JSON file: {error}") from error


def _find(name: str, file: str) -> Path | None:
    """Return the file of a model in a directory or, fetched when needed, of one on the hub; None if it has none."""
    if Path(name).is_dir():
        return path if (path := Path(name) / file).is_file() else None
    try:
        found = hub.cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    except OSError:  # no such model, or the hub cannot be reached
        return None
    return None if found is None else Path(found)
