"""Replies of the model to chat completions, whole and in chunks: one order of pieces, from which both are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from omniloom.generation import AudioDelta, CallDelta, Done, Event, ImageDone, Reply, TextDelta, Usage
from omniloom.generation.rules import TokenLogprob, ToolCall
from omniloom.serving.http.chat import wire
from omniloom.serving.http.chat.reading import Spoken
from omniloom.serving.http.media import to_base64
from omniloom.serving.http.wire import new_id, voice_name
from omniloom.serving.sounds import WRITTEN_HZ, SoundFormat, SoundWriter, write_sound
from omniloom.serving.voices import SpokenVoice
from omniloom.stream.parts import Image


def sound_format(format: wire.AudioFormat) -> SoundFormat:
    return "pcm" if format == "pcm16" else format


def finish_reason(done: Done) -> wire.FinishReason:
    """A reply that was cancelled has nobody to be told."""
    if done.reply.call is not None and done.finish_reason == "stop":
        return "tool_calls"
    return "stop" if done.finish_reason == "stop" else "length"


def as_reply_image(image: Image) -> wire.ReplyImage:
    uri = f"data:image/png;base64,{to_base64(image.to_bytes('PNG'))}"
    return wire.ReplyImage(image_url=wire.ImageUrl(url=uri))


def whole_choice(
    index: int, done: Done, *, audio: wire.ChatAudio | None, spoken: Spoken, with_logprobs: bool
) -> wire.Choice:
    """One reply as a choice."""
    reply = done.reply
    message = wire.ReplyMessage(content=reply.text)
    if reply.call is not None:
        message = wire.ReplyMessage(content=None, tool_calls=[_tool_call(reply.call)])
    elif audio is not None:
        message = wire.ReplyMessage(content=None, audio=_whole_audio(reply, audio, spoken))
    if reply.image is not None:
        message = message.model_copy(update={"images": [as_reply_image(reply.image)]})
    logprobs = as_logprobs(reply.logprobs) if with_logprobs else None
    return wire.Choice(index=index, message=message, finish_reason=finish_reason(done), logprobs=logprobs)


def as_logprobs(logprobs: Sequence[TokenLogprob]) -> wire.ChoiceLogprobs:
    """Log-probabilities as the clients read them."""
    return wire.ChoiceLogprobs(
        content=[
            wire.TokenLogprob(**_logprob(one), top_logprobs=[wire.TopLogprob(**_logprob(other)) for other in one.top])
            for one in logprobs
        ]
    )


def _logprob(one: TokenLogprob) -> dict[str, Any]:
    return {"token": one.text, "bytes": None if one.data is None else list(one.data), "logprob": one.logprob}


def _tool_call(call: ToolCall) -> wire.ReplyToolCall:
    called = wire.CalledFunction(name=call.name, arguments=call.arguments)
    return wire.ReplyToolCall(id=new_id("call_"), function=called)


def _whole_audio(reply: Reply, audio: wire.ChatAudio, spoken: Spoken) -> wire.ReplyAudio:
    name = new_id("audio_")
    samples, rate_hz = np.zeros(0, np.float32), WRITTEN_HZ
    if reply.audio is not None:
        samples, rate_hz = reply.audio.samples.numpy(), reply.audio.rate_hz
    data = write_sound(samples, rate_hz, sound_format(audio.format), voice=voice_name(audio.voice))
    expires_at = spoken.put(name, reply.parts)
    return wire.ReplyAudio(id=name, data=to_base64(data), expires_at=expires_at, transcript=reply.text)


@dataclass
class StreamedChoice:
    """One reply as the deltas of its choice."""

    index: int
    audio: wire.ChatAudio | None
    spoken: Spoken
    with_logprobs: bool = False
    usage: Usage | None = None
    _has_call: bool = False
    _audio_id: str = field(default_factory=lambda: new_id("audio_"))
    _voice: SpokenVoice | None = None
    _writer: SoundWriter | None = None

    def begin(self) -> wire.ChunkChoice:
        return self._chunk(wire.Delta(role="assistant", content=None if self.audio else ""))

    def add(self, event: Event) -> Iterator[wire.ChunkChoice]:
        """What one event of the model adds."""
        if isinstance(event, TextDelta):
            yield self._text(event)
        elif isinstance(event, CallDelta):
            yield self._call(event)
        elif isinstance(event, AudioDelta) and self.audio is not None:
            yield from self._said(self._written(event, self.audio))
        elif isinstance(event, ImageDone):
            yield self._chunk(wire.Delta(images=[as_reply_image(event.image)]))
        elif isinstance(event, Done):
            yield from self._end(event)

    def _end(self, done: Done) -> Iterator[wire.ChunkChoice]:
        self.usage = done.usage
        if self.audio is not None and not self._has_call:
            if self._voice is not None and self._writer is not None:
                yield from self._said(self._writer.push(self._voice.flush()) + self._writer.finish())
            expires_at = self.spoken.put(self._audio_id, done.reply.parts)
            yield self._sound(wire.AudioDelta(id=self._audio_id, expires_at=expires_at))
        yield wire.ChunkChoice(index=self.index, delta=wire.Delta(), finish_reason=finish_reason(done))

    def _text(self, event: TextDelta) -> wire.ChunkChoice:
        delta = wire.Delta(content=event.text)
        if self.audio is not None:
            delta = wire.Delta(audio=wire.AudioDelta(id=self._audio_id, transcript=event.text))
        logprobs = as_logprobs(event.logprobs) if self.with_logprobs else None
        return wire.ChunkChoice(index=self.index, delta=delta, logprobs=logprobs)

    def _call(self, event: CallDelta) -> wire.ChunkChoice:
        function = wire.FunctionDelta(arguments=event.arguments)
        call = wire.ToolCallDelta(function=function)
        if not self._has_call:
            function = wire.FunctionDelta(name=event.name, arguments=event.arguments)
            call = wire.ToolCallDelta(id=new_id("call_"), type="function", function=function)
        self._has_call = True
        return self._chunk(wire.Delta(tool_calls=[call]))

    def _written(self, event: AudioDelta, audio: wire.ChatAudio) -> bytes:
        if self._voice is None or self._writer is None:
            self._voice = SpokenVoice(voice_name(audio.voice), from_hz=event.rate_hz, to_hz=WRITTEN_HZ)
            self._writer = SoundWriter(sound_format(audio.format))
        return self._writer.push(self._voice.push(event.samples.detach().float().cpu().numpy()))

    def _said(self, data: bytes) -> Iterator[wire.ChunkChoice]:
        if data:
            yield self._sound(wire.AudioDelta(id=self._audio_id, data=to_base64(data)))

    def _sound(self, audio: wire.AudioDelta) -> wire.ChunkChoice:
        return self._chunk(wire.Delta(audio=audio))

    def _chunk(self, delta: wire.Delta) -> wire.ChunkChoice:
        return wire.ChunkChoice(index=self.index, delta=delta)
