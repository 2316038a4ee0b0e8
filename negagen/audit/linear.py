"""The judge that is trained: logistic regression on what distinguishes a caption from its negative."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.errors import ResourceError


def crossfit(differences: Any, folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score gaps, float64 [N], of pairs given by `differences` (caption's features minus negative's; a NumPy array or
    SciPy CSR matrix, [N, F]), each scored by a judge that was trained on the other folds alone.

    Every other row is turned round for training, so that the judge learns which *side* a feature is on; without an
    intercept that is the same as giving each pair twice, once in either order.

    Raises:
        ResourceError: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    except ImportError as error:
        raise ResourceError(
            "the trained attacks need scikit-learn: pip install 'negagen[audit]', or leave them out with"
            " --attacks language-model."
        ) from error
    gaps = np.zeros(len(folds), np.float64)
    for fold in np.unique(folds):
        held, seen = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        training = differences[seen]
        sign = np.where(np.arange(len(seen)) % 2 == 0, 1.0, -1.0)
        if len(seen) < 2:
            continue
        if isinstance(training, np.ndarray):
            training = training * sign[:, None]
        else:
            training.data *= np.repeat(sign, np.diff(training.indptr))
        model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=300, tol=1e-4)
        model.fit(training, sign > 0)
        gaps[held] = differences[held] @ model.coef_[0]
    return gaps
