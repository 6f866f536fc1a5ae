"""omniloom: train, study and serve your own omni model.

Names are fetched when first used, so that a part (`omniloom.kernels`, `omniloom.core`) imports without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omniloom.generation import Conversation as Conversation
    from omniloom.generation import Omni as Omni
    from omniloom.generation import Reply as Reply
    from omniloom.generation import Sampling as Sampling
    from omniloom.stream.message import Message as Message
    from omniloom.stream.parts import Audio as Audio
    from omniloom.stream.parts import Image as Image
    from omniloom.stream.parts import Text as Text
    from omniloom.stream.parts import Video as Video

__version__ = "0.1.0"

_HOMES = {
    "Audio": "omniloom.stream.parts",
    "Image": "omniloom.stream.parts",
    "Text": "omniloom.stream.parts",
    "Video": "omniloom.stream.parts",
    "Message": "omniloom.stream.message",
    "Omni": "omniloom.generation",
    "Reply": "omniloom.generation",
    "Sampling": "omniloom.generation",
    "Conversation": "omniloom.generation",
}

__all__ = ["Audio", "Conversation", "Image", "Message", "Omni", "Reply", "Sampling", "Text", "Video", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'omniloom' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
