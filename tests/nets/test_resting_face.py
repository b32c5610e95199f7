import pytest
import torch

from facemotion.nets.resting_face import RestingFace
from facemotion.nets.sequence_encoder import EncoderSettings, SequenceEncoder


def make_clips(people: int, takes: int) -> list[torch.Tensor]:
    """Faces that lie in places of their own, each take moving otherwise."""
    torch.manual_seed(0)
    faces = torch.randn(people, 1, 12)
    return [face + 0.3 * torch.randn(20, 12) for face in faces for _ in range(takes)]


def test_takes_of_one_face_lie_together() -> None:
    face = RestingFace(12)
    clips = make_clips(6, 4)
    face.fit(clips)
    vectors = face(torch.stack([clip.mean(0) for clip in clips]))
    cosines = vectors @ vectors.T
    same = torch.arange(24)[:, None] // 4 == torch.arange(24)[None] // 4
    assert cosines[same].min() > cosines[~same].max()
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(24))


def test_the_face_has_its_share_of_the_vector_and_leaves_the_motion_its_own() -> None:
    settings = EncoderSettings(width=16, layers=1, heads=2, feedforward=16, embedding=40, centre=True, face=0.3)
    net = SequenceEncoder(12, settings).eval()
    net.streams.fit(make_clips(4, 2))
    net.face.fit(make_clips(4, 2))
    clip = make_clips(1, 1)[0][None]
    own, moved = net(clip)[0], net(clip + torch.randn(12))[0]
    assert own.norm().item() == pytest.approx(1, abs=1e-5)
    assert own[-12:].square().sum().item() == pytest.approx(0.3, abs=1e-5)
    torch.testing.assert_close(own[:-12], moved[:-12], atol=1e-4, rtol=1e-3)
    assert (own[-12:] - moved[-12:]).norm() > 0.1


def test_an_embedding_that_the_face_fills_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves nothing to the motion"):
        SequenceEncoder(32, EncoderSettings(width=16, layers=1, heads=2, embedding=32, face=0.5))
