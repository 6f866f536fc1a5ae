"""What clients put into items, as parts for the model; each piece is checked before the model sees any of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.media import MODEL_RATE_HZ, decode_sound, rate_of, to_audio
from omniloom.serving.realtime.pictures import PictureReader
from omniloom.serving.realtime.turns import trim_silence
from omniloom.serving.voices import Resampler
from omniloom.stream.message import Role
from omniloom.stream.parts import Audio, Part, Text, Video


@dataclass(frozen=True, eq=False)
class ItemParts:
    """An item as the model gets it: who says it, and the part of each of its contents; none where it gets nothing."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def num_bytes(self) -> int:
        return sum(num_bytes(part) for part in self.parts)


class ContentReader:
    """Reads the items of one event, within the limits and in the session's input format."""

    def __init__(self, limits: Limits, audio_format: p.AudioFormat) -> None:
        self._limits = limits
        self._format = audio_format
        self._pictures = PictureReader(limits)

    def read(self, item: p.Item, *, param: str = "item") -> ItemParts:
        """
        Raises:
            RequestError: If something in the item cannot be taken.
        """
        if isinstance(item, p.UserMessage):
            return ItemParts("user", tuple(self._user_parts(item.content, param)))
        if isinstance(item, p.SystemMessage):
            for index, content in enumerate(item.content):
                self._check_length(content.text, f"{param}.content.{index}.text")
            return ItemParts("user", ())  # No model here has learned a turn of the system.
        if isinstance(item, p.AssistantMessage):
            return ItemParts("assistant", tuple(self._said(item.content, param)))
        if isinstance(item, p.FunctionCall):
            self._check_length(item.arguments, f"{param}.arguments")
            # The form in which a model that knows tools writes a call (`generation.rules.tools`).
            return ItemParts("assistant", (Text(f'{{"name": "{item.name}", "arguments": {item.arguments or "{}"}}}'),))
        self._check_length(item.output, f"{param}.output")
        return ItemParts("user", (Text(item.output if item.output.strip() else "null"),))

    def _user_parts(self, contents: Sequence[p.InputContent], param: str) -> list[Part]:
        return [self._part(content, f"{param}.content.{index}") for index, content in enumerate(contents)]

    def _said(self, contents: Sequence[p.OutputContent], param: str) -> list[Part]:
        texts = []
        for index, content in enumerate(contents):
            path = f"{param}.content.{index}"
            if isinstance(content, p.OutputImage) or (isinstance(content, p.OutputAudio) and content.audio is not None):
                raise RequestError(
                    f"{path}: what the assistant said is given as text; leave sound and pictures out",
                    code="unsupported_value",
                    param=path,
                )
            text = content.text if isinstance(content, p.OutputText) else content.transcript or ""
            self._check_length(text, path)
            texts.append(text)
        text = " ".join(text for text in texts if text.strip())
        return [Text(text)] if text else []

    def _part(self, content: p.InputContent, param: str) -> Part:
        if isinstance(content, p.InputImage):
            return self._pictures.from_uri(content.image_url or "", param=f"{param}.image_url")
        if isinstance(content, p.InputAudio):
            return self._sound(content.audio or "", param=f"{param}.audio")
        self._check_length(content.text, f"{param}.text")
        try:
            return Text(content.text)
        except ValueError as error:
            raise RequestError(f"{param}.{error}", code="invalid_value", param=f"{param}.text") from error

    def _check_length(self, text: str, param: str) -> None:
        if len(text) > self._limits.text_chars:
            raise RequestError(
                f"{param} has {len(text):,} characters, at most {self._limits.text_chars:,} are taken",
                code="text_too_long",
                param=param,
            )

    def _sound(self, encoded: str, *, param: str) -> Audio:
        samples = decode_sound(encoded, self._format, param=param)
        rate_hz = rate_of(self._format)
        lasts_s, at_least_ms = len(samples) / rate_hz, self._limits.min_commit_ms
        if lasts_s > self._limits.audio_s:
            message = f"{param} lasts {lasts_s:.1f} s, at most {self._limits.audio_s:.0f} s are taken; cut it first"
            raise RequestError(message, code="audio_too_long", param=param)
        if lasts_s * 1000 < at_least_ms:
            message = f"{param} lasts {lasts_s * 1000:.0f} ms, at least {at_least_ms} ms are needed"
            raise RequestError(message, code="audio_too_short", param=param)
        return to_audio(trim_silence(Resampler(rate_hz, MODEL_RATE_HZ).push(samples, is_last=True)))


def without_media(item: p.Item) -> p.Item:
    """The item as it is echoed: what is large is left out."""
    if not isinstance(item, p.UserMessage):
        return item
    contents: list[p.InputContent] = [
        content if isinstance(content, p.InputText) else content.model_copy(update={_MEDIA[content.type]: None})
        for content in item.content
    ]
    return item.model_copy(update={"content": contents})


_MEDIA = {"input_audio": "audio", "input_image": "image_url"}


def num_bytes(part: Part) -> int:
    """Memory that a part takes."""
    if isinstance(part, Text):
        return len(part.text)
    if isinstance(part, Video):
        return part.frames.nbytes + (part.sound.samples.nbytes if part.sound is not None else 0)
    return part.samples.nbytes if isinstance(part, Audio) else part.pixels.nbytes
