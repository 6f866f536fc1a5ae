"""What a Live client asks for, as a realtime session takes it."""

from __future__ import annotations

import base64
import binascii

from omniloom.serving.live import protocol as w
from omniloom.serving.live.pacing import SILENCE
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import RequestError


def realtime_format(format: w.AudioFormat) -> p.AudioFormat:
    """The format by its name in the realtime protocol."""
    if isinstance(format, w.PcmFormat):
        return p.PcmFormat(rate=format.rate)
    return p.PcmuFormat() if isinstance(format, w.PcmuFormat) else p.PcmaFormat()


def realtime_settings(
    config: w.SessionConfig, *, turn_detection: p.TurnDetection, is_running: bool = False
) -> p.SessionSettings:
    """The settings of the session inside; of one that runs only what Live lets change."""
    tools = config.delegation.responses if isinstance(config.delegation, w.ResponsesDelegation) else None
    changes: dict[str, object] = {"type": "realtime"}
    if tools is not None:
        changes |= {
            "tools": [tool.model_dump(exclude={"strict"}) for tool in tools.tools],
            "tool_choice": tools.tool_choice,
        }
        if tools.max_output_tokens is not None:
            changes["max_output_tokens"] = tools.max_output_tokens
    words = [config.instructions, tools.instructions if tools is not None else None]
    changes["instructions"] = "\n".join(text for text in words if text)
    if not is_running:
        format = realtime_format(config.audio.format).model_dump()
        changes["output_modalities"] = ["audio"]
        changes["audio"] = {
            "input": {
                "format": format,
                "turn_detection": turn_detection.model_dump(),
                "transcription": p.Transcription().model_dump(exclude_unset=True),
            },
            "output": {"format": format, "voice": config.audio.output.voice},
        }
    return p.SessionSettings.model_validate(changes)


def realtime_item(item: w.InitialItem | w.InputMessage) -> p.Item:
    """A message from before the session, or from within it."""
    text = item.content if isinstance(item.content, str) else "\n".join(content.text for content in item.content)
    if item.role == "assistant":
        return p.AssistantMessage(id=item.id, content=[p.OutputText(text=text)])
    content: list[p.InputContent] = [p.InputText(text=text)]
    if item.role == "user":
        return p.UserMessage(id=item.id, content=content)
    return p.SystemMessage(id=item.id, content=[p.InputText(text=text)])


def silent(encoded: str, format: w.AudioFormat) -> str:
    """Silence as long as a piece of sound."""
    try:
        length = len(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"audio is not base64 ({error})", code="invalid_base64", param="audio") from error
    return base64.b64encode(SILENCE[format.type] * length).decode()
