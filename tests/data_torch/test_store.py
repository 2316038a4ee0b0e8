from __future__ import annotations

import pickle
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from negagen.data import Inputs, TrainingSet, store
from negagen.data.reading import read
from negagen.errors import DataError
from tests.data_torch.files import dataset


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    class Broken(dict):  # type: ignore[type-arg]
        def items(self):  # type: ignore[no-untyped-def]
            yield "a", np.arange(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save(tmp_path / "x", Broken(), {})
    assert list(tmp_path.iterdir()) == []
    store.save(tmp_path / "x", {"a": np.arange(3), "none": np.empty((0, 2))}, {"n": 1})
    arrays, about = store.load(tmp_path / "x")
    assert (arrays["a"].tolist(), arrays["none"].shape, about) == ([0, 1, 2], (0, 2), {"n": 1})
    with pytest.raises(ValueError, match="read-only"):
        arrays["a"][0] = 9
    store.save(tmp_path / "x", {"a": np.arange(9)}, {})  # who comes second leaves what is there
    assert len(store.load(tmp_path / "x")[0]["a"]) == 3


def test_a_damaged_folder_says_what_to_delete(tmp_path: Path) -> None:
    store.save(tmp_path / "x", {"a": np.arange(1000)}, {})
    (tmp_path / "x" / "a.npy").write_bytes(b"")
    with pytest.raises(DataError, match="Delete"):
        store.load(tmp_path / "x")
    with pytest.raises(DataError, match="cannot be read"):
        store.load(tmp_path / "y")


def test_a_training_set_comes_back_and_travels_as_its_path(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 200)
    data = read(Inputs([path], images)).data
    kept = data.save(tmp_path / "kept")
    sent = pickle.dumps(kept)
    assert len(sent) < 1000 < len(pickle.dumps(data))
    for found in (kept, pickle.loads(sent), pickle.loads(pickle.dumps(data))):
        assert isinstance(found, TrainingSet)
        assert list(found.texts) == list(data.texts)
        for name in ("captions", "images", "groups", "numbers"):
            np.testing.assert_array_equal(getattr(found, name), getattr(data, name))
        np.testing.assert_array_equal(found.negatives.texts, data.negatives.texts)
        np.testing.assert_array_equal(found.positives.offsets, data.positives.offsets)
        assert (found.fingerprint, found.columns, found.omitted) == (data.fingerprint, data.columns, data.omitted)


def test_a_digest_is_of_all_parts_joined() -> None:
    values = np.array([[1, 2], [3, 4]])
    joined = "é\udcff".encode("utf-8", "surrogatepass") + b"b" + values.tobytes()
    assert store.digest("é\udcff", b"b", values) == blake2b(joined, digest_size=16).hexdigest()
    assert store.digest(values.T) == store.digest(values.T.copy())
