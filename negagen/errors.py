"""Everything negagen raises on purpose.

NegagenError
├── InputError            a file, column or row that cannot be read as captions
├── OutputError           a target that cannot or must not be written
├── ResumeError           parts of an earlier run that do not belong to this one
├── RuleError             a rule file that does not say what to do
├── PipelineError         a spaCy pipeline that is missing, broken or has no tagger
├── ModelError            a file of a fitted or trained model that is missing, damaged or unfit
├── LanguageModelError    a language model or server that cannot answer at all
├── RecipeError           a recipe file, key or value that no run can be made of
├── DataError             images, captions or negatives that cannot be trained or evaluated on
├── TrainingError         a run that cannot start or go on
├── PeerError             another process of the same run failed, and has said why
├── ResourceError         a file of the installation that is missing or damaged
└── WorkerError           a worker process that died

Each message names the file, row or key, what was expected, and what to do next. The command line
prints the message alone; anything that is not a `NegagenError` there is a bug.
"""

from __future__ import annotations


class NegagenError(Exception):
    """The root: catch this to catch all of negagen's own errors."""


class InputError(NegagenError):
    """A file, column or row that cannot be read as captions."""


class OutputError(NegagenError):
    """A target that cannot, or without leave must not, be written."""


class ResumeError(NegagenError):
    """Parts of an earlier run that do not belong to this one."""


class RuleError(NegagenError):
    """A rule file that does not say, or contradicts itself about, what to do."""


class PipelineError(NegagenError):
    """A spaCy pipeline that is missing, broken, or gives no part-of-speech tags."""


class ModelError(NegagenError):
    """A file of a fitted or trained model that is missing, damaged, or made for something else."""


class LanguageModelError(NegagenError):
    """A language model or a server that cannot answer any request: missing, unreachable, refused key, unknown name."""


class RecipeError(NegagenError):
    """A recipe file, key or value that no training run can be made of."""


class DataError(NegagenError):
    """Images, captions or negatives that cannot be trained or evaluated on."""


class TrainingError(NegagenError):
    """A training run that cannot start, or cannot go on."""


class PeerError(NegagenError):
    """Another process of the same run failed and has said why: nothing is left to say."""


class ResourceError(NegagenError):
    """A file that belongs to the installation and is missing or damaged."""


class WorkerError(NegagenError):
    """A worker process that died before it finished its part."""
