"""Old skills are kept by holding the model to what a teacher, itself before or an average of itself, makes of a batch.

Losses of CLIP-KD (Yang et al., arXiv 2307.12732): of its relations, the in-batch distributions of similarity; and of
its features. A teacher that is an average of the student's weights is DeGLA's (Hu et al., arXiv 2504.16801).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from negagen.errors import TrainingError
from negagen.train.losses.features import Features, products, wide


def retention(features: Features, *, temperature: Annotated[float, Field(gt=0)] = 1.0) -> Tensor:
    """1/2 [KL(P_it ‖ Q_it) + KL(P_ti ‖ Q_ti)], mean over rows: CLIP-KD's contrastive relational distillation.

    P and Q are the teacher's and the student's softmaxes of s⟨i,t⟩ / temperature over the batch, over texts for each
    image and over images for each text. Both take the student's scale, detached: retention moves features, and neither
    sharpens nor blunts. Siblings stay in: nothing here calls them negatives, the teacher says what they are.
    """
    image, text = _anchors(features)
    scale = features.scale.detach() / temperature
    student = products(scale * wide(features.image), features.text)
    teacher = products(scale * wide(image), text)
    return 0.5 * (_divergence(teacher, student) + _divergence(teacher.T, student.T))


def retention_features(features: Features) -> Tensor:
    """Mean over rows of ‖i - i'‖² + ‖t - t'‖², primes the teacher's: CLIP-KD's feature distillation."""
    image, text = _anchors(features)
    if image.shape != features.image.shape:
        raise TrainingError(
            f"loss 'retention-features' needs a teacher of as many dimensions: the student has"
            f" {features.image.shape[1]}, the teacher {image.shape[1]}; use loss 'retention'"
        )
    apart = (wide(features.image) - wide(image)).square() + (wide(features.text) - wide(text)).square()
    return apart.sum(-1).mean()


def _anchors(features: Features) -> tuple[Tensor, Tensor]:
    if features.anchor_image is None or features.anchor_text is None:
        raise TrainingError("a retention loss needs a teacher's features: set retention.teacher")
    return features.anchor_image.detach(), features.anchor_text.detach()


def _divergence(teacher: Tensor, student: Tensor) -> Tensor:
    return kl_div(log_softmax(student, 1), log_softmax(teacher, 1), reduction="batchmean", log_target=True)
