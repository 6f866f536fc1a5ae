"""What a realtime session tells, in Live's words: sound, transcripts with their times, function calls and usage."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from omniloom.serving.live import protocol as w
from omniloom.serving.live.inward import realtime_format
from omniloom.serving.live.pacing import Cut, PacedOutbox, Playback, bytes_per_ms
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import RequestError
from omniloom.serving.realtime.media import decode_pcm, encode_sound
from omniloom.serving.voices import Resampler

FIXTURE_RATE_HZ = 24_000
MAX_SPANS = 64
"""Turns of the user whose times are kept for their transcripts."""
PARAMS = {
    "item.content.0.text": "content",
    "item.content": "content",
    "session.audio.input.format": "session.audio.format",
    "session.audio.output.format": "session.audio.format",
    "session.tools": "session.delegation.responses.tools",
    "session.tool_choice": "session.delegation.responses.tool_choice",
}
"""Fields of the realtime protocol that Live calls otherwise."""


class LiveEvents:
    """Puts into an outbox what a session tells; knows who is speaking."""

    def __init__(
        self, outbox: PacedOutbox, format: w.AudioFormat, *, model_name: str, context_tokens: int | None
    ) -> None:
        self.is_user_speaking = False
        self.is_generating = False
        self._outbox = outbox
        self._format = format
        self._model_name = model_name
        self._context_tokens = context_tokens
        self.playback = Playback(outbox, format, started_s=outbox.clock())
        self._input_ms = 0.0
        self._input_offset_ms = 0.0
        self._spans: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._cut: Cut | None = None
        self._deaf_until_s = 0.0
        self._tellers: dict[type[p.ServerEvent], Callable[[Any], None]] = {
            p.Error: self._error,
            p.SpeechStarted: self._speech_started,
            p.SpeechStopped: self._speech_stopped,
            p.InputAudioBufferCleared: self._speech_cleared,
            p.TranscriptionDelta: self._input_transcript,
            p.TranscriptionFailed: self._transcription_failed,
            p.ResponseCreated: self._response_created,
            p.OutputAudioTranscriptDelta: self._output_transcript,
            p.OutputAudioDelta: self._output_audio,
            p.OutputItemDone: self._item_done,
            p.ResponseDone: self._response_done,
        }

    @property
    def is_busy(self) -> bool:
        """Whether the user speaks, or an answer is generated or about to be."""
        return self.is_user_speaking or self.is_generating

    def expect_answer(self) -> None:
        """An answer has been asked for."""
        self.is_generating = True

    @property
    def usage(self) -> w.Usage:
        return w.Usage(seconds=max(0, self.playback.now_ms()) / 1000)

    @property
    def is_deaf(self) -> bool:
        """Whether a fixture plays, during which nothing is heard."""
        return self._outbox.clock() < self._deaf_until_s

    def tell(self, event: p.ServerEvent) -> None:
        teller = self._tellers.get(type(event))
        if teller is not None:
            teller(event)

    def interrupt(self) -> None:
        """Send no more of what is being said."""
        self._cut = self.playback.interrupt() or self._cut

    def take_cut(self) -> Cut | None:
        """What is to be cut from the model's memory, once it has ended generating it."""
        if self.is_generating:
            return None
        cut, self._cut = self._cut, None
        return cut

    def count_input(self, encoded: str) -> None:
        """Place more sound of the user on the timeline; after a pause it begins now, not where the last piece ended."""
        lasts_ms = len(encoded) * 3 / 4 / bytes_per_ms(self._format)
        now_ms = self.playback.now_ms()
        if self._input_offset_ms + self._input_ms + lasts_ms < now_ms - 500:
            self._input_offset_ms = now_ms - lasts_ms - self._input_ms
        self._input_ms += lasts_ms

    # A fixture

    def read_fixture(self, encoded: str, *, max_s: float) -> np.ndarray:
        """The samples of a fixture.

        Raises:
            RequestError: If they cannot be played.
        """
        samples = decode_pcm(encoded, param="audio")
        lasts_s = len(samples) / FIXTURE_RATE_HZ
        if not 0 < lasts_s <= max_s:
            message = f"audio lasts {lasts_s:.1f} s; a fixture lasts up to {max_s:.0f} s"
            raise RequestError(message, code="invalid_audio", param="audio")
        return samples

    def play_fixture(self, samples: np.ndarray, *, client_event_id: str | None) -> None:
        """Play samples (24 kHz) to the user; until they have ended nothing is heard."""
        rate_hz = self._format.rate
        played = Resampler(FIXTURE_RATE_HZ, rate_hz).push(samples, is_last=True)
        sound = encode_sound(played, realtime_format(self._format))
        now_s = self._outbox.clock()
        self._deaf_until_s = now_s + len(samples) / FIXTURE_RATE_HZ
        self._outbox.put(w.OutputAudioFixturePlaying(client_event_id=client_event_id))
        self.playback.add_sound(sound, (p.new_id("fixture"), 0))
        self._outbox.put_at(w.OutputAudioFixturePlayed(client_event_id=client_event_id), self._deaf_until_s)

    # The user

    def _speech_started(self, event: p.SpeechStarted) -> None:
        self.is_user_speaking = True
        start_ms = self._on_timeline(event.audio_start_ms)
        self._spans[event.item_id] = (start_ms, start_ms)
        while len(self._spans) > MAX_SPANS:
            self._spans.popitem(last=False)

    def _speech_stopped(self, event: p.SpeechStopped) -> None:
        self.expect_answer()  # First: at no moment may it seem that nobody speaks.
        self.is_user_speaking = False
        start_ms, _ = self._spans.get(event.item_id, (0, 0))
        self._spans[event.item_id] = (start_ms, self._on_timeline(event.audio_end_ms))

    def _speech_cleared(self, event: p.InputAudioBufferCleared) -> None:
        self.is_user_speaking = False

    def _on_timeline(self, input_ms: int) -> int:
        return max(0, round(self._input_offset_ms + input_ms))

    def _input_transcript(self, event: p.TranscriptionDelta) -> None:
        start_ms, end_ms = self._spans.get(event.item_id, (self.playback.now_ms(),) * 2)
        self._outbox.put(w.InputTranscriptDelta(delta=event.delta, start_ms=start_ms, end_ms=max(start_ms, end_ms)))

    def _transcription_failed(self, event: p.TranscriptionFailed) -> None:
        self._outbox.put(w.Info(code=event.error.code, message=event.error.message))

    # The model

    def _response_created(self, event: p.ResponseCreated) -> None:
        self.is_generating = True

    def _output_transcript(self, event: p.OutputAudioTranscriptDelta) -> None:
        self.playback.add_text(event.delta, (event.item_id, event.content_index))

    def _output_audio(self, event: p.OutputAudioDelta) -> None:
        self.playback.add_sound(event.delta, (event.item_id, event.content_index))

    def _item_done(self, event: p.OutputItemDone) -> None:
        if not isinstance(event.item, p.FunctionCall) or event.item.status != "completed":
            return  # One that grew too long is told when the response ends; of one interrupted nobody knows.
        item = event.item.model_dump(exclude={"object"})
        begun = {**item, "arguments": "", "status": "in_progress"}
        events: tuple[dict[str, Any], ...] = (
            {"type": "response.created", "response": self._backend_response(event.response_id, "in_progress")},
            {"type": "response.output_item.added", "output_index": 0, "item": begun},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": self._backend_response(event.response_id, "completed")},
        )
        self._tell_backend(*events)

    def _tell_backend(self, *events: dict[str, Any]) -> None:
        for number, event in enumerate(events):
            self._outbox.put(w.ResponseEvent(event={**event, "sequence_number": number}))

    def _backend_response(self, response_id: str, status: str) -> dict[str, Any]:
        """What the Responses API tells of a response as a whole; in Live without tools and output."""
        return {
            "id": response_id,
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "model": self._model_name,
            "output": [],
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
        }

    def _response_done(self, event: p.ResponseDone) -> None:
        self.is_generating = False
        self.playback.finish()
        response = event.response
        if response.status == "failed" and response.status_details is not None:
            failed = response.status_details.error
            assert failed is not None
            kind: Any = failed.type if failed.type == "invalid_request_error" else "server_error"
            self._outbox.put(w.Error(error=w.ErrorDetails(type=kind, code=failed.code, message=failed.message)))
        if response.status == "incomplete" and any(isinstance(item, p.FunctionCall) for item in response.output):
            ended = {"incomplete_details": {"reason": "max_output_tokens"}}
            self._tell_backend(
                {"type": "response.created", "response": self._backend_response(response.id, "in_progress")},
                {
                    "type": "response.incomplete",
                    "response": {**self._backend_response(response.id, "incomplete"), **ended},
                },
            )
        window = None
        if self._context_tokens and response.usage is not None:
            window = w.ContextWindow(usage_ratio=min(1.0, response.usage.total_tokens / self._context_tokens))
        self._outbox.put(w.UsageUpdated(usage=self.usage, context_window=window))

    def _error(self, event: p.Error) -> None:
        found = event.error
        details = w.ErrorDetails(
            type=found.type,
            code=found.code,
            message=found.message,
            param=PARAMS.get(found.param, found.param) if found.param is not None else None,
            client_event_id=found.event_id,
        )
        self._outbox.put(w.Error(error=details, client_event_id=found.event_id))
