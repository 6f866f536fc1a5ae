"""What a response took, in the wire's words."""

from __future__ import annotations

from omniloom.generation import Done, TokenCounts
from omniloom.serving.realtime import protocol as p


def usage_of(done: Done) -> p.Usage:
    """Positions read, with those known before, and tokens written; by text, sound and picture."""
    used = done.usage
    return p.Usage(
        total_tokens=used.prompt_tokens + used.reply_tokens,
        input_tokens=used.prompt_tokens,
        output_tokens=used.reply_tokens,
        input_token_details=p.InputTokenDetails(
            cached_tokens=used.cached_tokens,
            cached_tokens_details=_details(used.cached),
            **_details(used.prompt).model_dump(),
        ),
        output_token_details=p.TokenDetails(
            text_tokens=used.text_tokens, audio_tokens=used.audio_tokens, image_tokens=used.image_tokens
        ),
    )


def _details(counts: TokenCounts) -> p.TokenDetails:
    return p.TokenDetails(text_tokens=counts.text, audio_tokens=counts.audio, image_tokens=counts.image)
