"""A vocabulary of the real shape without any codec behind it."""

from dataclasses import replace

from omniloom.stream.vocabulary import CodecSpec, Plane, Vocabulary


def small_vocabulary() -> Vocabulary:
    text = CodecSpec(modality="text", planes=(Plane(name="text", size=40),), fingerprint="t")
    books = tuple(Plane(name=f"audio.{book}", size=12, levels=(4, 3), count=1) for book in range(2))
    audio = CodecSpec(modality="audio", planes=books, fingerprint="a")
    planes = (
        Plane(name="colour", size=8, levels=(2, 2, 2), count=4),
        Plane(name="coverage", size=12, levels=(4, 3), count=9),
    )
    return Vocabulary([text, audio, CodecSpec(modality="image", planes=planes, fingerprint="i")])


def folding_vocabulary(*, folds_replies: bool = True) -> Vocabulary:
    """The same folded, replies too unless said otherwise: two codebooks a frame, and a picture of four blocks."""
    text, audio, image = small_vocabulary().specs.values()
    blocks = ((0, 4, 5, 7), (1, 6, 8), (2, 9, 10), (3, 11, 12))
    audio = replace(audio, groups=((0, 1),), folds_replies=folds_replies)
    image = replace(image, groups=blocks, frame_groups=((0, 1, 2, 3),), folds_replies=folds_replies)
    return Vocabulary([text, audio, image])
