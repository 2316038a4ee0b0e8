from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from negagen.data.images import BadImageError, View, decode
from negagen.errors import DataError
from tests.data_torch.files import picture


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(64, 40), (40, 64), (33, 33), (200, 31), (17, 16)])
@pytest.mark.parametrize("target", [32, 17])
def test_pixels_are_those_of_clips_own_processor(size: tuple[int, int], target: int) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    data = picture(1, size)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": target},
        crop_size={"height": target, "width": target},
        do_normalize=False,
        do_rescale=False,
    )
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(processor(image)["pixel_values"][0])
    found = decode(data, View(target))
    assert found.shape == (3, target, target)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_squashed_pictures_keep_their_edges() -> None:
    image = Image.new("RGB", (100, 20))
    image.paste((255, 0, 0), (0, 0, 10, 20))
    assert decode(encoded(image), View(20, "squash"))[0, :, 0].min() > 200
    assert decode(encoded(image), View(20, "centre"))[0].max() == 0


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_three_channels(mode: str) -> None:
    if mode == "I;16":
        grey = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
        image = Image.fromarray(grey)
    else:
        image = Image.new("RGB", (40, 40), (10, 120, 240)).convert(mode)
    found = decode(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), View(8))
    assert found.shape == (3, 8, 8)
    if mode == "I;16":
        assert 0 < found[0, 0, 0] < 40
        assert 215 < found[0, -1, -1] < 255


def test_a_camera_s_orientation_is_applied() -> None:
    image = Image.new("RGB", (20, 20))
    image.paste((255, 255, 255), (0, 0, 10, 20))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    found = decode(encoded(image, "JPEG", exif=exif), View(20))
    assert found[0, :, -1].min() > 200
    assert found[0, :, 0].max() < 50


@pytest.mark.parametrize("data", [b"", b"not a picture", picture(3)[:300], picture(3)[:-40]])
def test_damaged_bytes_are_bad_and_say_why(data: bytes) -> None:
    with pytest.raises(BadImageError) as caught:
        decode(data, View(16))
    assert str(caught.value)
    assert "0x" not in str(caught.value)


def test_a_strip_does_not_fill_the_memory() -> None:
    image = Image.new("RGB", (20000, 1), (9, 9, 9))
    found = decode(encoded(image), View(64))
    assert found.shape == (3, 64, 64)
    assert (found == 9).all()


@pytest.mark.parametrize("options", [{"size": 0}, {"crop": "center"}, {"resample": "lanczos"}])
def test_a_view_that_is_none_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(DataError):
        View(**options)  # type: ignore[arg-type]
