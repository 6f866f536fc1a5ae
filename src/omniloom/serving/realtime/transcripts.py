"""What the user said, written down beside the answer to it: by the same model, asked for it in its own words.

An answer comes first: where one was asked for, the transcript is begun when something of the answer has been sent. It
is written from the tokens that were heard, so nothing is encoded again and no sound is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from omniloom.generation import Conversation, Done, TextDelta, Turn
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.core import SessionCore, internal_error
from omniloom.serving.transcribing import MAX_TEXT_TOKENS, question
from omniloom.stream.message import Message
from omniloom.stream.parts import Text


@dataclass(frozen=True, eq=False)
class Unwritten:
    """A spoken item that is to be written down."""

    item_id: str
    turn: Turn
    language: str


class Transcripts:
    """The transcripts of one session's spoken items."""

    def __init__(self, core: SessionCore) -> None:
        self._core = core
        self._waiting: deque[Unwritten] = deque()
        self._num_waiting = 0
        self._conversation: Conversation | None = None
        self._is_closed = False

    def add(self, item_id: str, turn: Turn, *, is_urgent: bool) -> None:
        """Have a spoken item written down: at once, or when `begin` is called; in the worker's thread."""
        settings = self._core.settings.audio.input.transcription
        if settings is None:
            return
        if self._num_waiting >= self._core.limits.waiting_transcripts:
            message = f"{self._num_waiting} turns wait to be written down already; this one is not"
            self._fail(item_id, p.TranscriptionError(type="server_error", code="overloaded", message=message))
            return
        self._num_waiting += 1
        self._waiting.append(Unwritten(item_id, turn.packed(), settings.language or "en"))
        if is_urgent:
            self.begin()

    def begin(self) -> None:
        """Write down all that waits, beside what else the session does."""
        while self._waiting:
            unwritten = self._waiting.popleft()
            self._core.submit(lambda unwritten=unwritten: self._write(unwritten), is_aside=True)  # type: ignore[misc]

    def close(self) -> None:
        """Stop writing."""
        self._is_closed = True
        if self._conversation is not None:
            self._conversation.cancel()

    def _write(self, unwritten: Unwritten) -> None:
        try:
            self._tell(unwritten)
        except ValueError as error:
            failure = p.TranscriptionError(type="invalid_request_error", code="model_refused_input", message=str(error))
            self._fail(unwritten.item_id, failure)
        except Exception:
            details = internal_error(None)
            self._fail(
                unwritten.item_id,
                p.TranscriptionError(type=details.type, code=details.code, message=details.message),
            )
            raise
        finally:
            self._num_waiting -= 1
            self._conversation = None

    def _tell(self, unwritten: Unwritten) -> None:
        omni, item_id = self._core.omni, unwritten.item_id
        conversation = self._conversation = omni.conversation()
        asked = omni.turns.encode(Message("user", (Text(question(unwritten.language)),)))
        conversation.restate([asked, unwritten.turn])
        transcript = ""
        for piece in conversation.reply("text", max_tokens=MAX_TEXT_TOKENS):
            if self._is_closed:
                conversation.cancel()
            elif isinstance(piece, TextDelta):
                transcript += piece.text
                self._core.emit(p.TranscriptionDelta(item_id=item_id, content_index=0, delta=piece.text))
            elif isinstance(piece, Done):
                self._note(item_id, transcript)
                usage = _usage(piece)
                self._core.emit(
                    p.TranscriptionCompleted(item_id=item_id, content_index=0, transcript=transcript, usage=usage)
                )

    def _note(self, item_id: str, transcript: str) -> None:
        """The item shows its transcript from now on."""
        item = next((self._core.items.get(known) for known in self._core.items.ids if known == item_id), None)
        if isinstance(item, p.UserMessage):
            contents = [p.InputAudio(transcript=transcript), *item.content[1:]]
            self._core.items.replace(item.model_copy(update={"content": contents}))

    def _fail(self, item_id: str, error: p.TranscriptionError) -> None:
        self._core.emit(p.TranscriptionFailed(item_id=item_id, content_index=0, error=error))


def _usage(done: Done) -> p.TranscribedTokens:
    used = done.usage
    return p.TranscribedTokens(
        total_tokens=used.prompt_tokens + used.reply_tokens,
        input_tokens=used.prompt_tokens,
        output_tokens=used.reply_tokens,
        input_token_details=p.TranscribedTokenDetails(text_tokens=used.prompt.text, audio_tokens=used.prompt.audio),
    )
