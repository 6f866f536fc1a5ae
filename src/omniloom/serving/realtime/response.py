"""One answer on the wire: what the model generates in, the GA events that tell it out.

A response has one item. Its first part is text, or speech with its transcript; a picture is a part after it. Parts open
when their first piece comes, so an answer that only draws has no empty text. Nothing here knows of threads or sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from omniloom.generation import AudioDelta, Done, ImageDelta, ImageDone, TextDelta
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.media import WIRE_RATE_HZ, Resampler, encode_image, encode_pcm
from omniloom.stream.parts import Image

PartKind = Literal["text", "audio", "image"]
Emit = Callable[[p.ServerEvent], None]
Piece = TextDelta | AudioDelta | ImageDelta | ImageDone


class OutgoingResponse:
    """The events of one response, in their order, given to `emit`."""

    def __init__(self, response: p.Response, *, previous_item_id: str | None, emit: Emit) -> None:
        self.item_id = p.new_id("item")
        self._response = response
        self._previous_item_id = previous_item_id
        self._emit = emit
        self._parts: list[p.OutputText | p.OutputAudio | p.OutputImage] = []
        self._text = ""
        self._open: PartKind | None = None
        self._resampler: Resampler | None = None
        self._speaks = "audio" in response.output_modalities

    @property
    def id(self) -> str:
        return self._response.id

    def start(self) -> None:
        item = p.AssistantMessage(id=self.item_id, status="in_progress")
        self._emit(p.ResponseCreated(response=self._response))
        self._emit(p.OutputItemAdded(response_id=self.id, output_index=0, item=item))
        self._emit(p.ConversationItemAdded(previous_item_id=self._previous_item_id, item=item))

    def add(self, piece: Piece) -> None:
        """Tell one piece of what the model generates."""
        if isinstance(piece, TextDelta):
            self._add_text(piece.text)
        elif isinstance(piece, AudioDelta):
            self._open_part("audio")
            samples = piece.samples.detach().float().cpu().numpy()
            if self._resampler is None:
                self._resampler = Resampler(piece.rate_hz, WIRE_RATE_HZ)
            self._send_sound(self._resampler.push(samples))
        else:
            self._add_picture(piece.image, is_finished=isinstance(piece, ImageDone))

    def finish(
        self,
        status: p.EndStatus,
        *,
        reason: p.StatusReason | None = None,
        error: p.ResponseError | None = None,
        usage: p.Usage | None = None,
    ) -> None:
        """Close what is open and send `response.done`."""
        self._close_part()
        item = p.AssistantMessage(
            id=self.item_id, status="completed" if status == "completed" else "incomplete", content=[*self._parts]
        )
        self._emit(p.OutputItemDone(response_id=self.id, output_index=0, item=item))
        self._emit(p.ConversationItemDone(previous_item_id=self._previous_item_id, item=item))
        details = None if status == "completed" else p.StatusDetails(type=status, reason=reason, error=error)
        change = {"status": status, "status_details": details, "output": [item], "usage": usage or p.Usage()}
        self._emit(p.ResponseDone(response=self._response.model_copy(update=change)))

    def _where(self) -> dict[str, Any]:
        return {
            "response_id": self.id,
            "item_id": self.item_id,
            "output_index": 0,
            "content_index": len(self._parts),
        }

    def _open_part(self, kind: PartKind) -> None:
        if self._open == kind:
            return
        self._close_part()
        self._open, self._text = kind, ""
        self._emit(p.ContentPartAdded(part=self._content(), **self._where()))

    def _content(self) -> p.ContentPart:
        if self._open == "image":
            return p.ContentPart(type="output_image")
        if self._open == "audio":
            return p.ContentPart(type="audio", transcript=self._text)
        return p.ContentPart(type="text", text=self._text)

    def _add_text(self, text: str) -> None:
        self._open_part("audio" if self._speaks else "text")
        self._text += text
        event = p.OutputAudioTranscriptDelta if self._speaks else p.OutputTextDelta
        self._emit(event(delta=text, **self._where()))

    def _add_picture(self, image: Image, *, is_finished: bool) -> None:
        self._open_part("image")
        encoded = encode_image(image)
        if is_finished:
            self._emit(p.OutputImageDone(image=encoded, **self._where()))
            self._close_part()
        else:
            self._emit(p.OutputImageDelta(delta=encoded, **self._where()))

    def _send_sound(self, samples: np.ndarray) -> None:
        if samples.size:
            self._emit(p.OutputAudioDelta(delta=encode_pcm(samples), **self._where()))

    def _close_part(self) -> None:
        if self._open is None:
            return
        done: p.OutputText | p.OutputAudio | p.OutputImage = p.OutputImage()
        if self._open == "text":
            self._emit(p.OutputTextDone(text=self._text, **self._where()))
            done = p.OutputText(text=self._text)
        elif self._open == "audio":
            if self._resampler is not None:
                self._send_sound(self._resampler.flush())
                self._resampler = None
            self._emit(p.OutputAudioDone(**self._where()))
            self._emit(p.OutputAudioTranscriptDone(transcript=self._text, **self._where()))
            done = p.OutputAudio(transcript=self._text)
        self._emit(p.ContentPartDone(part=self._content(), **self._where()))
        self._parts.append(done)
        self._open = None


def usage_of(done: Done | None) -> p.Usage | None:
    """What a reply took, as the wire tells it."""
    if done is None:
        return None
    used = done.usage
    return p.Usage(
        total_tokens=used.prompt_tokens + used.reply_tokens,
        input_tokens=used.prompt_tokens,
        output_tokens=used.reply_tokens,
        input_token_details=p.InputTokenDetails(cached_tokens=used.cached_tokens),
        output_token_details=p.TokenDetails(
            text_tokens=used.text_tokens, audio_tokens=used.audio_tokens, image_tokens=used.image_tokens
        ),
    )
