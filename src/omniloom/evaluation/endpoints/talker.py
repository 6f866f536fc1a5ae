"""A served omni model in place of a loaded one: whole conversations through the wire, with all that the world asks.

Questions go as chat messages: sounds as WAV of 32-bit floats, pictures as PNG, films as Matroska of FFV1 and floats, so
that nothing is lost on the way; a server that tells its rate gets sounds at it, for two resamplers never agree. Answers
are read from the message: text, sound, and the picture where the server draws in chat (`message.images`, an extension
that ours has too). One that does not is asked for pictures at its image endpoint, by words alone.

Replies are the likeliest. Pictures may be drawn at a temperature instead: alone where the server has the field for it,
as ours does, else with the words of the same reply, and at an image endpoint, whose interface has neither temperature
nor seed, as the server likes. `Drawing` tells which.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omniloom.codecs.base import Codec
from omniloom.evaluation.endpoints.client import Client
from omniloom.evaluation.endpoints.media import film_bytes, sound_bytes
from omniloom.stream.message import Message, Want, wanted
from omniloom.stream.parts import Audio, Image, Part, Text, Video

VOICE = "alloy"
"""A name that every server takes; ours has one voice under many."""

FORMAT = "wav"

Prompt = Sequence[Part] | Sequence[Message]

Drawing = Literal["picture", "reply", "own"]
"""What a temperature for pictures is of: the picture alone, the whole reply, or of nothing, at an image endpoint."""


class Untouched:
    """The codec of a model whose codecs are not known: it loses nothing, so the ceiling is that of the judge alone."""

    def encode(self, part: Any) -> Any:
        return part

    def decode(self, codes: Any) -> Any:
        return codes


@dataclass(frozen=True)
class UnknownCodecs:
    """As `codecs.bundle.CodecSet`, of a served model."""

    audio: Codec[Audio]
    image: Codec[Image]


@dataclass(frozen=True, eq=False)
class ServedReply:
    """A reply as it came: its parts, and its words to the last blank, spoken or written."""

    parts: tuple[Part, ...]
    text: str

    @property
    def audio(self) -> Audio | None:
        return next((part for part in self.parts if isinstance(part, Audio)), None)

    @property
    def image(self) -> Image | None:
        return next((part for part in self.parts if isinstance(part, Image)), None)


class ServedOmni:
    """What `evaluation.scoring` asks of a model, asked of the client's; `codecs` are its own, where they are known."""

    def __init__(self, client: Client, *, codecs: Any = None) -> None:
        untouched: Any = Untouched()
        self.codecs: Any = codecs if codecs is not None else UnknownCodecs(untouched, untouched)
        self.identity = f"{client.model} at {client.url}"
        self._client = client

    def reply_batch(self, prompts: Sequence[Prompt], *, want: Any, seed: int) -> list[ServedReply]:
        """The greedy replies to prompts; `want` is one for all."""
        wants = [wanted(want)] * len(prompts)
        found = dict(self.replies(prompts, wants, seed=seed))
        return [found[place] for place in range(len(prompts))]

    def replies(
        self,
        prompts: Sequence[Prompt],
        wants: Sequence[Iterable[str]],
        *,
        seed: int | Sequence[int],
        max_tokens: int | None = None,
        image_temperature: float | None = None,
    ) -> Iterator[tuple[int, ServedReply]]:
        """The same as they come, each with its prompt's place, want and seed; of at most `max_tokens`.

        `image_temperature` is of pictures; see `drawing` for what else it is of.

        Raises:
            ValueError: If the server refuses the key, the model or a request, or takes no temperature for pictures.
            ConnectionError: If it fails or answers no more.
        """
        facts = self._client.facts() if prompts else {}
        seeds = [seed] * len(prompts) if isinstance(seed, int) else seed
        settings: dict[str, Any] = {"temperature": 0.0}
        if max_tokens is not None:
            settings["max_completion_tokens"] = max_tokens
        if image_temperature is not None:
            settings |= self._hot(image_temperature)
        asked = [
            (prompt, wanted(want), settings | {"seed": own})
            for prompt, want, own in zip(prompts, wants, seeds, strict=True)
        ]
        yield from self._client.each(lambda one: self._asked(*one, facts=facts), asked)

    @property
    def drawing(self) -> Drawing:
        """What a temperature for pictures is of.

        Raises:
            ValueError: If the server refuses the key or the model.
            ConnectionError: If it does not answer.
        """
        facts = self._client.facts()
        if not _draws_in_chat(facts):
            return "own"
        return "picture" if "image_temperature" in facts.get("extensions", ()) else "reply"

    def _hot(self, image_temperature: float) -> dict[str, Any]:
        """The field of a request by which pictures are drawn at a temperature."""
        if self.drawing == "own":
            raise ValueError(f"{self.identity} draws at an image endpoint, which takes no temperature; give none")
        if self.drawing == "reply":
            return {"temperature": image_temperature}
        return {"extra_body": {"image_temperature": image_temperature}}

    def _asked(
        self, prompt: Prompt, want: frozenset[Want], settings: dict[str, Any], *, facts: Mapping[str, Any]
    ) -> ServedReply:
        messages = _as_messages(prompt)
        if "image" in want and not _draws_in_chat(facts):
            return self._drawn(messages, want)
        settings = dict(settings)
        if want != {"text"}:
            settings["modalities"] = ["text", *sorted(want)]
        if "audio" in want:
            settings["audio"] = {"voice": VOICE, "format": FORMAT}
        answer = self._client.openai.chat.completions.create(
            model=self._client.model,
            messages=[_told(message, facts) for message in messages],
            **settings,
        )
        message = answer.choices[0].message
        return ServedReply(tuple(_parts(message)), _words(message))

    def _drawn(self, messages: Sequence[Message], want: frozenset[Want]) -> ServedReply:
        """By the image endpoint, which takes words and no turns."""
        (*earlier, last) = messages
        words = [part.text for part in last.parts if isinstance(part, Text)]
        if earlier or len(words) < len(last.parts) or want != {"image"}:
            raise ValueError(
                f"{self._client.url} draws from words alone; leave out the rows that draw from other inputs (--cells)"
            )
        answer = self._client.openai.images.generate(
            model=self._client.model, prompt=" ".join(words), extra_body={"response_format": "b64_json"}
        )
        return ServedReply((Image.open(base64.b64decode(answer.data[0].b64_json)),), "")


def _draws_in_chat(facts: Mapping[str, Any]) -> bool:
    return "chat_images" in facts.get("extensions", ())


def _as_messages(prompt: Prompt) -> list[Message]:
    messages = [item for item in prompt if isinstance(item, Message)]
    return messages or [Message("user", tuple(item for item in prompt if not isinstance(item, Message)))]


def _told(message: Message, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A message on the wire; of an earlier reply its words and its picture, for its sound has no name there.

    One text alone goes as a string, which servers take that know no parts.
    """
    if message.role == "user":
        if len(message.parts) == 1 and isinstance(message.parts[0], Text):
            return {"role": "user", "content": message.parts[0].text}
        return {"role": "user", "content": [_content(part, facts) for part in message.parts]}
    text = "".join(part.text for part in message.parts if isinstance(part, Text))
    images = [_content(part, facts) for part in message.parts if isinstance(part, Image)]
    return {"role": "assistant", "content": text} | ({"images": images} if images else {})


def _content(part: Part, facts: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": _uri("image/png", part.to_bytes("PNG"))}}
    rate_hz = facts.get("input_audio_rate_hz")
    if isinstance(part, Video):
        return {"type": "video_url", "video_url": {"url": _uri("video/x-matroska", film_bytes(part, rate_hz=rate_hz))}}
    data = base64.b64encode(sound_bytes(part, rate_hz=rate_hz)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": FORMAT}}


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _words(message: Any) -> str:
    """What a reply says or writes."""
    return (message.audio.transcript if message.audio is not None else message.content) or ""


def _parts(message: Any) -> Iterator[Part]:
    """What a reply holds: its words, spoken or written, its sound and its pictures."""
    audio, text = message.audio, _words(message)
    if text.strip():
        yield Text(text)
    if audio is not None and audio.data:
        try:
            yield Audio.open(base64.b64decode(audio.data))
        except ValueError:
            # A reply in which nothing was said comes as a file without samples: no sound, as from a loaded model.
            return
    for image in getattr(message, "images", None) or ():
        url = image["image_url"]["url"] if isinstance(image, Mapping) else image.image_url.url
        yield Image.open(base64.b64decode(url.partition(",")[2]))
