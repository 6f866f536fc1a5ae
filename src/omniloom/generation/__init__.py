"""Using a model: loading, conversations with a KV cache, streaming, batches, sampling."""

from omniloom.generation.conversation import Conversation as Conversation
from omniloom.generation.loading import Checkpoint as Checkpoint
from omniloom.generation.loading import load as load
from omniloom.generation.loading import save_for_use as save_for_use
from omniloom.generation.loading import shipped as shipped
from omniloom.generation.omni import Omni as Omni
from omniloom.generation.omni import Prompt as Prompt
from omniloom.generation.reply import AudioDelta as AudioDelta
from omniloom.generation.reply import Done as Done
from omniloom.generation.reply import Event as Event
from omniloom.generation.reply import ImageDelta as ImageDelta
from omniloom.generation.reply import ImageDone as ImageDone
from omniloom.generation.reply import Reply as Reply
from omniloom.generation.reply import TextDelta as TextDelta
from omniloom.generation.reply import TokenCounts as TokenCounts
from omniloom.generation.reply import Usage as Usage
from omniloom.generation.sampling import Sampling as Sampling
from omniloom.generation.sampling import TokenChoice as TokenChoice
from omniloom.generation.turns import Turn as Turn
from omniloom.generation.turns import TurnCodec as TurnCodec
