"""A vocabulary of the real shape without any codec behind it."""

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
