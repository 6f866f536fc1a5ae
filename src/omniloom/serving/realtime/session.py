"""One realtime session: client events in, server events out, whatever carries them.

The transport calls `handle` with one message after another and sends what the outbox holds; the model runs in this
session's own worker thread. What is wrong with an event is told at once; what only the model can find out is told when
its job has run. Speech is given to the model while it is spoken, so a reply starts with nothing left to read.

Two threads meet in `_running`, the response that may still be cancelled, in the end of a turn, which the model may be
the one to tell, and in the outbox; a lock guards each of the first two.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omniloom.generation import CallDelta, Conversation, Done, Omni, Sampling
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.media import MODEL_RATE_HZ, WIRE_RATE_HZ, Resampler, decode_image, decode_pcm, to_audio
from omniloom.serving.realtime.outbox import EventSink
from omniloom.serving.realtime.parsing import EVENTS_BY_TYPE, change_settings, read_message
from omniloom.serving.realtime.response import OutgoingResponse, usage_of
from omniloom.serving.realtime.turns import (
    Heard,
    Signal,
    Silero,
    SpeechProbability,
    Started,
    TurnDetector,
    TurnEnd,
    trim_silence,
)
from omniloom.serving.realtime.worker import Worker, threads_of
from omniloom.stream.message import Message, wanted
from omniloom.stream.parts import Audio, Image, Part, Text, Video

LOGGER = logging.getLogger(__name__)


@dataclass(eq=False)
class _Running:
    """A response from its request to its end."""

    response: p.Response
    max_tokens: int
    reason: p.StatusReason | None = None
    conversation: Conversation | None = None
    """Set while the model is at it."""


class RealtimeSession:
    """The state and the rules of one client's session."""

    def __init__(
        self,
        omni: Omni,
        *,
        outbox: EventSink,
        model_name: str,
        limits: Limits = Limits(),
        turns_remembered: int | None = None,
        reads_turn_end: bool | None = None,
        new_probability: Callable[[], SpeechProbability] = Silero,
    ) -> None:
        """`reads_turn_end`: the model says itself when speech has ended; None where it can."""
        self.id = p.new_id("sess")
        self._omni = omni
        self._outbox = outbox
        self._limits = limits
        self._new_probability = new_probability
        self._session = p.Session(id=self.id, model=model_name)
        self._turns_remembered = turns_remembered
        self._conversation = omni.conversation()
        self._before_speech: tuple[Message, ...] = ()
        self._conversation_id = p.new_id("conv")
        threads = threads_of(limits.session_threads)
        self._worker = Worker(threads=threads, limit=limits.waiting_jobs, limit_bytes=limits.waiting_bytes)
        self._lock = threading.Lock()
        self._handling = threading.RLock()
        self._running: _Running | None = None
        self._num_answering = 0
        self._last_item_id: str | None = None
        self._has_unanswered = self._had_unanswered = False
        self._speech_item_id = ""
        self._detector: TurnDetector | None = None
        is_read = omni.reads_turn_end if reads_turn_end is None else reads_turn_end
        self._turn_end = TurnEnd() if is_read else None
        self._restart_buffer()
        self._handlers: dict[type[p.ClientEvent], Callable[[Any], None]] = {
            p.SessionUpdate: self._update,
            p.InputAudioBufferAppend: self._append,
            p.InputAudioBufferCommit: self._commit,
            p.InputAudioBufferClear: self._clear,
            p.ConversationItemCreate: self._create_item,
            p.ResponseCreate: self._create_response,
            p.ResponseCancel: self._cancel_response,
        }
        outbox.put(p.SessionCreated(session=self._session))

    def handle(self, message: str | bytes) -> None:
        """Follow one client event; whatever is wrong with it becomes one `error` event."""
        try:
            event = read_message(message, self._limits, EVENTS_BY_TYPE)
        except RequestError as error:
            self._outbox.put(p.Error(error=error.details()))
        else:
            self.follow(event)

    def follow(self, event: p.ClientEvent) -> None:
        """The same for an event that has been read."""
        try:
            if type(event) not in self._handlers:
                name = p.event_type(type(event))
                raise RequestError(f"{name} is not served yet", code="unsupported_event", param="type")
            with self._handling:
                self._handlers[type(event)](event)
        except RequestError as error:
            self._outbox.put(p.Error(error=error.details(event.event_id)))
        except Exception:  # A bug in one event must not end the session.
            LOGGER.exception("a client event failed unexpectedly")
            self._outbox.put(p.Error(error=_internal_error(event.event_id)))

    @property
    def is_answering(self) -> bool:
        """Whether an answer was asked for whose `response.done` is not out yet."""
        return self._num_answering > 0

    def close(self) -> None:
        """Stop the model for this session and take no more events."""
        self._cancel("client_cancelled")
        self._worker.stop()
        self._outbox.close("the session was closed")

    def join(self, *, timeout_s: float) -> bool:
        """Wait until the session's thread has ended; False where it has not in time."""
        return self._worker.join(timeout_s=timeout_s)

    # Settings

    def _update(self, event: p.SessionUpdate) -> None:
        before = self._session
        if isinstance(event.session, p.TranscriptionSettings):
            raise RequestError("transcription is not served yet", code="unsupported_value", param="session.type")
        changed = change_settings(before, event.session)
        if isinstance(changed.audio.input.turn_detection, p.SemanticVad) and self._turn_end is None:
            param = "session.audio.input.turn_detection.type"
            message = "this model was not trained to tell the end of a turn; use server_vad with it"
            raise RequestError(message, code="unsupported_value", param=param)
        if changed.audio.input.turn_detection != before.audio.input.turn_detection:
            for signal in self._detector.stop() if self._detector is not None else ():
                self._follow(signal, may_answer=False)
            self._detector = None
            self._restart_buffer()
        self._session = changed
        self._outbox.put(p.SessionUpdated(session=changed))

    # Sound

    def _restart_buffer(self) -> None:
        self._resampler = Resampler(WIRE_RATE_HZ, MODEL_RATE_HZ)
        self._buffer: list[np.ndarray] = []
        self._num_buffered = 0

    def _append(self, event: p.InputAudioBufferAppend) -> None:
        samples = decode_pcm(event.audio, param="audio")
        turn_detection = self._session.audio.input.turn_detection
        waiting = 0 if turn_detection else self._num_buffered
        if waiting + len(samples) > self._limits.audio_s * WIRE_RATE_HZ:
            raise RequestError(
                f"the buffer would hold {(waiting + len(samples)) / WIRE_RATE_HZ:.1f} s, at most "
                f"{self._limits.audio_s:.0f} s are taken; this piece was dropped: commit or clear first",
                code="input_audio_buffer_full",
                param="audio",
            )
        if turn_detection is None:
            self._num_buffered += len(samples)
            self._buffer.append(self._resampler.push(samples))
            return
        if self._detector is None:
            try:
                probability = self._new_probability()
            except ValueError as error:
                raise RequestError(str(error), code="turn_detection_unavailable") from error
            self._detector = TurnDetector(
                turn_detection, probability, max_turn_s=self._limits.audio_s, turn_end=self._turn_end
            )
        for signal in self._detector.push(self._resampler.push(samples)):
            self._follow(signal, may_answer=True)

    def _follow(self, signal: Signal, *, may_answer: bool) -> None:
        """Act on what the turn detector heard."""
        assert self._detector is not None
        settings = self._detector.settings
        if isinstance(signal, Started):
            self._speech_item_id = p.new_id("item")
            self._had_unanswered = self._has_unanswered
            self._submit(self._remember)
            self._outbox.put(p.SpeechStarted(audio_start_ms=signal.at_ms, item_id=self._speech_item_id))
            if settings.interrupt_response:
                self._cancel("turn_detected")
        elif isinstance(signal, Heard):
            self._give([to_audio(signal.samples)], is_piece=True)
        else:
            self._outbox.put(p.SpeechStopped(audio_end_ms=signal.at_ms, item_id=self._speech_item_id))
            self._announce_speech(self._speech_item_id)
            if may_answer and settings.create_response:
                self._respond(p.ResponseSettings())

    def _end_turn_if_over(self) -> None:
        """Ask again with what the model has just said, which may be after the last sound that comes; in its thread."""
        with self._handling:
            try:
                for signal in self._detector.check() if self._detector is not None else ():
                    self._follow(signal, may_answer=True)
            except RequestError as error:
                self._outbox.put(p.Error(error=error.details(None)))

    def _commit(self, event: p.InputAudioBufferCommit) -> None:
        if self._detector is not None and self._detector.is_speaking:
            for signal in self._detector.stop():
                self._follow(signal, may_answer=True)
            return
        heard_ms = self._num_buffered * 1000 / WIRE_RATE_HZ
        if heard_ms < self._limits.min_commit_ms:
            raise RequestError(
                f"the buffer holds {heard_ms:.0f} ms of sound, at least {self._limits.min_commit_ms} ms are needed",
                code="input_audio_buffer_commit_empty",
            )
        samples = np.concatenate([*self._buffer, self._resampler.flush()])
        self._restart_buffer()
        self._give([to_audio(trim_silence(samples))])
        self._announce_speech(p.new_id("item"))

    def _announce_speech(self, item_id: str) -> None:
        self._outbox.put(p.InputAudioBufferCommitted(previous_item_id=self._last_item_id, item_id=item_id))
        content: list[p.InputContent] = [p.InputAudio()]
        self._announce(p.UserMessage(id=item_id, content=content))

    def _clear(self, event: p.InputAudioBufferClear) -> None:
        if self._detector is not None and self._detector.is_speaking:
            self._has_unanswered = self._had_unanswered
            self._submit(self._take_speech_back)
        self._detector = None
        self._restart_buffer()
        self._outbox.put(p.InputAudioBufferCleared())

    # Items

    def _create_item(self, event: p.ConversationItemCreate) -> None:
        item = event.item
        if not isinstance(item, p.UserMessage):
            raise RequestError("only messages of the user can be added yet", code="unsupported_value", param="item")
        if event.previous_item_id not in (None, self._last_item_id):
            raise RequestError(
                "an item can only be added at the end; leave previous_item_id out",
                code="unsupported_value",
                param="previous_item_id",
            )
        self._give(self._parts(item.content))
        content: list[p.InputContent] = [
            content if isinstance(content, p.InputText) else type(content)() for content in item.content
        ]
        self._announce(item.model_copy(update={"id": item.id or p.new_id("item"), "content": content}))

    def _parts(self, contents: Sequence[p.InputContent]) -> list[Part]:
        parts: list[Part] = []
        num_pixels = 0
        for index, content in enumerate(contents):
            part = self._part(content, f"item.content.{index}")
            num_pixels += part.pixels[0].numel() if isinstance(part, Image) else 0
            if num_pixels > self._limits.image_pixels:
                raise RequestError(
                    f"the pictures of one message have over {self._limits.image_pixels:,} pixels together; send fewer, "
                    "or make them smaller first",
                    code="image_too_large",
                    param=f"item.content.{index}.image_url",
                )
            parts.append(part)
        return parts

    def _part(self, content: p.InputText | p.InputAudio | p.InputImage, param: str) -> Part:
        if isinstance(content, p.InputImage):
            return decode_image(content.image_url or "", self._limits, param=f"{param}.image_url")
        if isinstance(content, p.InputAudio):
            return self._sound(content.audio or "", param=f"{param}.audio")
        if len(content.text) > self._limits.text_chars:
            raise RequestError(
                f"{param}.text has {len(content.text):,} characters, at most {self._limits.text_chars:,} are taken",
                code="text_too_long",
                param=f"{param}.text",
            )
        try:
            return Text(content.text)
        except ValueError as error:
            raise RequestError(f"{param}.{error}", code="invalid_value", param=f"{param}.text") from error

    def _sound(self, encoded: str, *, param: str) -> Audio:
        samples = decode_pcm(encoded, param=param)
        lasts_s, at_least_ms = len(samples) / WIRE_RATE_HZ, self._limits.min_commit_ms
        if lasts_s > self._limits.audio_s:
            message = f"{param} lasts {lasts_s:.1f} s, at most {self._limits.audio_s:.0f} s are taken; cut it first"
            raise RequestError(message, code="audio_too_long", param=param)
        if lasts_s * 1000 < at_least_ms:
            message = f"{param} lasts {lasts_s * 1000:.0f} ms, at least {at_least_ms} ms are needed"
            raise RequestError(message, code="audio_too_short", param=param)
        return to_audio(trim_silence(Resampler(WIRE_RATE_HZ, MODEL_RATE_HZ).push(samples, is_last=True)))

    def _announce(self, item: p.UserMessage) -> None:
        with self._lock:
            previous, self._last_item_id = self._last_item_id, item.id
        self._outbox.put(p.ConversationItemAdded(previous_item_id=previous, item=item))
        self._outbox.put(p.ConversationItemDone(previous_item_id=previous, item=item))

    def _give(self, parts: list[Part], *, is_piece: bool = False) -> None:
        """Have the model take in parts; `is_piece` says that the sound goes on."""

        def take_in() -> None:
            for part in parts:
                if is_piece and isinstance(part, Audio):
                    ends = self._conversation.hear(part)
                    if self._turn_end is not None and ends:
                        self._turn_end.tell(ends)
                        self._end_turn_if_over()
                else:
                    self._conversation.add(part)

        self._submit(take_in, num_bytes=sum(_num_bytes(part) for part in parts))
        self._has_unanswered = True

    # Responses

    def _create_response(self, event: p.ResponseCreate) -> None:
        self._respond(event.response)

    def _respond(self, asked: p.ResponseSettings) -> None:
        with self._lock:
            if self._running is not None:
                raise RequestError(
                    f"response {self._running.response.id} is still running; cancel it or wait for response.done",
                    code="conversation_already_has_active_response",
                )
        if not self._has_unanswered:
            message = "there is nothing new to answer; create a conversation item or commit sound first"
            raise RequestError(message, code="nothing_to_answer")
        max_tokens = asked.max_output_tokens or self._session.max_output_tokens
        response = p.Response(
            id=p.new_id("resp"),
            conversation_id=self._conversation_id,
            status="in_progress",
            output_modalities=asked.output_modalities or self._session.output_modalities,
            max_output_tokens=max_tokens,
            temperature=self._session.temperature if asked.temperature is None else asked.temperature,
            metadata=asked.metadata,
        )
        limit = self._limits.response_tokens
        running = _Running(response, limit if max_tokens == "inf" else min(max_tokens, limit))
        with self._lock:
            self._running = running
            self._num_answering += 1
        self._has_unanswered = False
        self._submit(lambda: self._answer(running))

    def _cancel_response(self, event: p.ResponseCancel) -> None:
        with self._lock:
            active = self._running.response.id if self._running is not None else None
        if active is None or event.response_id not in (None, active):
            raise RequestError("no such response is running", code="response_cancel_not_active", param="response_id")
        self._cancel("client_cancelled")

    def _cancel(self, reason: p.StatusReason) -> None:
        """Stop the running response, if there is one, at its next token."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                running.reason = reason
                if running.conversation is not None:
                    running.conversation.cancel()

    def _answer(self, running: _Running) -> None:
        """Run one response and count it as ended; in the worker's thread."""
        try:
            self._answer_whole(running)
        finally:
            with self._lock:
                self._num_answering -= 1

    def _answer_whole(self, running: _Running) -> None:
        """Run one response from its first event to its last."""
        with self._lock:
            previous = self._last_item_id
            outgoing = OutgoingResponse(running.response, previous_item_id=previous, emit=self._outbox.put)
            self._last_item_id = outgoing.item_id
        outgoing.start()
        try:
            done = self._generate(running, outgoing)
        except Exception as error:
            self._end(running)
            told = self._start_over(error, is_told=False)
            outgoing.finish("failed", error=p.ResponseError(type=told.type, code=told.code, message=told.message))
            return
        self._end(running)
        usage = usage_of(done)
        if running.reason is not None:
            outgoing.finish("cancelled", reason=running.reason, usage=usage)
        elif done is not None and done.finish_reason == "length":
            outgoing.finish("incomplete", reason="max_output_tokens", usage=usage)
        else:
            outgoing.finish("completed", usage=usage)
        self._forget_old_turns()

    def _generate(self, running: _Running, outgoing: OutgoingResponse) -> Done | None:
        """Tell what the model generates until it ends or is cancelled; after a cancel nothing more is told."""
        conversation = self._conversation
        asked = running.response
        pieces = conversation.reply(
            want=wanted(asked.output_modalities),
            sampling=Sampling(temperature=asked.temperature),
            seed=secrets.randbits(32),
            max_tokens=running.max_tokens,
        )
        with self._lock:
            running.conversation = conversation
        has_stopped = False
        while True:
            if running.reason is not None and not has_stopped:
                conversation.cancel()  # Again, in case the first came before the reply had begun.
                has_stopped = True
            piece = next(pieces, None)
            if piece is None or isinstance(piece, Done):
                return piece
            if running.reason is None and not isinstance(piece, CallDelta):  # no tools are offered
                outgoing.add(piece)

    def _end(self, running: _Running) -> None:
        with self._lock:
            running.conversation = None
            if self._running is running:
                self._running = None

    # The model's side; all but `_submit` run in the worker's thread

    def _remember(self) -> None:
        """Keep what was said before this speech, for the case that the speech is taken back."""
        self._before_speech = self._conversation.history

    def _take_speech_back(self) -> None:
        self._conversation = self._omni.conversation(history=self._before_speech)

    def _forget_old_turns(self) -> None:
        """Go on with the newest turns only; a turn is the user's message and its answer."""
        history, kept = self._conversation.history, self._turns_remembered
        if kept is not None and len(history) > 2 * kept:
            self._conversation = self._omni.conversation(history=history[len(history) - 2 * kept :])

    def _submit(self, job: Callable[[], None], *, num_bytes: int = 0) -> None:
        """Have the worker do something; where that fails, the client is told and the conversation starts over."""

        def run() -> None:
            try:
                job()
            except Exception as error:
                self._start_over(error)

        if not self._worker.submit(run, num_bytes=num_bytes):
            self._outbox.close("input comes faster than the model can take it in; the session was closed")
            raise RequestError("input comes faster than the model can take it in", code="overloaded")

    def _start_over(self, error: Exception, *, is_told: bool = True) -> p.ErrorDetails:
        """After the model refused or failed: an empty conversation, and the error in words; in the worker's thread."""
        if isinstance(error, ValueError):
            message = f"{error}. The conversation was started over; earlier turns are forgotten."
            details = p.ErrorDetails(type="invalid_request_error", code="model_refused_input", message=message)
        else:
            LOGGER.error("the model failed", exc_info=error)
            details = _internal_error(None)
        self._conversation = self._omni.conversation()
        if is_told:
            self._outbox.put(p.Error(error=details))
        return details


def _num_bytes(part: Part) -> int:
    if isinstance(part, Text):
        return len(part.text)
    if isinstance(part, Video):
        return part.frames.nbytes + (part.sound.samples.nbytes if part.sound is not None else 0)
    return part.samples.nbytes if isinstance(part, Audio) else part.pixels.nbytes


def _internal_error(event_id: str | None) -> p.ErrorDetails:
    message = "something failed inside the server; its log says what. The session goes on."
    return p.ErrorDetails(type="server_error", code="internal_error", message=message, event_id=event_id)
