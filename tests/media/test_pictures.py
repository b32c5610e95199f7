"""Single pictures: folders of images, JPEGs one behind the other, and frames of a live session."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from transformations import HEAD_OF_PART, LAID, Film, write_images, write_jpegs

from facemotion.config import MediaSettings
from facemotion.errors import MediaError, MediaLimitError, NoVideoError, TooShortError, UnreadableMediaError
from facemotion.media import load_clip, read_frames, read_jpeg
from facemotion.media.pictures import FAULTS, white_level


@pytest.fixture
def film() -> Film:
    """(12, 60, 80, 3) a bright corner and a dark one, so that no two ways to lay it down look alike; 10 frames/s."""
    frames = np.full((12, 60, 80, 3), 120, np.uint8)
    frames[:, :20, :30] = 255
    frames[:, 40:, :10] = 0
    frames[:, 25:35, 60:] = (np.arange(12) * 20)[:, None, None, None]
    return Film(frames, np.arange(12) / 10)


def jpeg(picture: np.ndarray, **more: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "JPEG", **{"quality": 95, **more})
    return stream.getvalue()


@pytest.mark.parametrize("way", LAID)
def test_a_live_frame_is_turned_upright_as_images_of_a_folder_are(film, way, tmp_path):
    laid, _, orientation = LAID[way]
    exif = Image.Exif()
    exif[0x0112] = orientation
    live = read_jpeg(jpeg(film.relaid(*laid).frames[5], exif=exif), MediaSettings())
    assert live.shape == film.frames[5].shape
    assert np.abs(live.astype(int) - film.frames[5]).mean() < 3
    folder = load_clip(write_images(film.relaid(*laid), tmp_path, ".jpg", orientation), rate=10)
    assert np.array_equal(folder.frames[5], live)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("way", LAID)
def test_images_of_a_folder_are_turned_upright_once_whatever_their_format(film, way, suffix, tmp_path):
    laid, _, orientation = LAID[way]
    clip = load_clip(write_images(film.relaid(*laid), tmp_path, suffix, orientation), rate=10)
    assert clip.frames.shape == film.frames.shape
    assert np.abs(clip.frames.astype(int) - film.frames).mean() < 3


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_compressed_tiff_is_turned_upright_once(film, compression, tmp_path):
    laid, _, orientation = LAID["turned left"]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number, picture in enumerate(film.relaid(*laid).frames):
        image = Image.fromarray(np.ascontiguousarray(picture))
        image.save(tmp_path / f"{number}.tif", compression=compression, exif=exif)
    clip = load_clip(tmp_path, rate=10)
    assert clip.frames.shape == film.frames.shape
    assert np.abs(clip.frames.astype(int) - film.frames).mean() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_an_orientation_that_cannot_be_read_leaves_a_picture_as_it_is(film):
    data = jpeg(film.frames[0], exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_jpeg(data, MediaSettings()).shape == film.frames[0].shape


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_whatever_a_decoder_finds_wrong_with_a_frame_is_the_frames_fault(monkeypatch, fault):
    """The decoder raises all of these for damaged files, which one depends on its version."""

    def convert(*_: object) -> None:
        raise fault("damaged")

    monkeypatch.setattr(Image.Image, "convert", convert)
    with pytest.raises(UnreadableMediaError):
        read_jpeg(jpeg(np.zeros((64, 64, 3), np.uint8)), MediaSettings())


def test_a_picture_of_thousands_of_passes_is_refused_before_it_is_decoded():
    fine = jpeg(np.full((512, 512, 3), 128, np.uint8), progressive=True)
    assert read_jpeg(fine, MediaSettings()).shape == (512, 512, 3)
    second, third = [place for place in range(len(fine)) if fine[place : place + 2] == b"\xff\xda"][1:3]
    with pytest.raises(MediaLimitError, match="passes"):
        read_jpeg(fine[:second] + fine[second:third] * 1000 + fine[third:], MediaSettings())


def test_passes_cost_as_many_pixels_as_they_go_over():
    large = jpeg(np.full((2048, 2048, 3), 128, np.uint8), progressive=True)  # 4 million pixels, ten passes
    with pytest.raises(MediaLimitError, match="passes over 2048 x 2048 pixels"):
        read_jpeg(large, MediaSettings())
    assert read_jpeg(jpeg(np.full((2048, 2048, 3), 128, np.uint8)), MediaSettings()).shape == (960, 960, 3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("deep", [10, 12, 14, 16])
def test_deep_grey_images_show_what_their_8_bits_would(film, suffix, deep, tmp_path):
    write_images(film, tmp_path, suffix, deep=deep)
    with Image.open(tmp_path / f"0{suffix}") as image:
        assert np.asarray(image).max() == 2**deep - 1
    clip = load_clip(tmp_path, rate=10)
    grey = [np.asarray(Image.fromarray(frame).convert("L")) for frame in film.frames]
    assert np.array_equal(clip.frames, np.stack([grey] * 3, axis=-1))


def test_a_hot_pixel_does_not_darken_a_deep_sequence(film, tmp_path):
    write_images(film, tmp_path, ".png", deep=12)
    clean = load_clip(tmp_path, rate=10).frames
    with Image.open(tmp_path / "4.png") as image:
        values = np.array(image)
    values[30, 40] = 65535
    Image.fromarray(values).save(tmp_path / "4.png")
    spoiled = load_clip(tmp_path, rate=10).frames
    assert (spoiled != clean).any(axis=-1).sum() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("pixels", [1, 4800])
def test_an_image_with_pixels_that_are_no_numbers_is_named(film, tmp_path, value, pixels):
    for number in range(6):
        shares = film.frames[number, :, :, 0].astype(np.float32) / 255
        if number == 4:
            shares.ravel()[:pixels] = value
        Image.fromarray(shares).save(tmp_path / f"{number}.tif")
    with pytest.raises(UnreadableMediaError, match=r"4\.tif isn't an image .* pixels are no numbers"):
        load_clip(tmp_path, rate=10)


def test_white_is_the_full_scale_of_the_fewest_bits_that_hold_the_brightest():
    values = {0.7: 1, 1: 1, 200: 255, 255: 255, 256: 1023, 4095: 4095, 4096: 16383, 65535: 65535}
    assert {brightest: white_level(brightest) for brightest in values} == values


def test_names_with_raised_digits_are_put_in_order(film, tmp_path):
    for name, picture in zip(("²10", "²9", "³1"), film.frames[[3, 2, 0]], strict=True):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    clip = load_clip(tmp_path, rate=3)
    assert np.array_equal(clip.frames[:2], film.frames[[2, 3]])


def test_hidden_files_of_a_folder_are_no_images(film, tmp_path):
    write_images(film, tmp_path)
    assert (tmp_path / "._0.png").exists()
    assert len(load_clip(tmp_path, rate=10)) == len(film.frames)
    for path in tmp_path.glob("[0-9]*.png"):
        path.unlink()
    with pytest.raises(NoVideoError):
        load_clip(tmp_path, rate=10)


@pytest.mark.parametrize("head", [b"", b"\r\n", HEAD_OF_PART], ids=["nothing", "a line", "a head"])
def test_jpegs_one_behind_the_other_need_a_rate_and_are_read_with_it(film, head):
    data = write_jpegs(film, head=head).lstrip()
    with pytest.raises(MediaError, match="container.*rate"):
        load_clip(data)
    clip = load_clip(data, rate=10)
    np.testing.assert_allclose(clip.times, film.times)
    assert np.abs(clip.frames.astype(int) - film.frames).mean() < 3


def test_previews_inside_of_jpegs_are_no_frames(film):
    preview = jpeg(film.frames[0])
    parts = [jpeg(frame, exif=b"Exif\0\0" + preview) for frame in film.frames]
    assert len(load_clip(b"".join(parts), rate=10)) == len(parts)
    with pytest.raises(TooShortError, match="single picture"):
        load_clip(parts[0])


def test_a_picture_of_a_phone_with_further_pictures_in_it_is_one_picture(film):
    stream = io.BytesIO()
    depth = Image.fromarray(film.frames[0]).resize((20, 15))
    Image.fromarray(film.frames[0]).save(stream, "MPO", save_all=True, append_images=[depth])
    with pytest.raises(TooShortError, match="single picture"):
        load_clip(stream.getvalue())


def test_a_jpeg_cut_off_among_others_is_left_out_and_counted(film):
    parts = [jpeg(frame) for frame in np.concatenate([film.frames] * 3)]
    parts[-1] = parts[-1][: len(parts[-1]) // 2]
    reader = read_frames(b"".join(parts), rate=10)
    assert len(list(reader)) == len(parts) - 1
    assert reader.damaged_share == pytest.approx(1 / len(parts))
    parts[3] = parts[3][: len(parts[3]) // 2]
    with pytest.raises(UnreadableMediaError, match="damaged"):
        load_clip(b"".join(parts), rate=10)
