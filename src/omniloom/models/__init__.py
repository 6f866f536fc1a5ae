"""The models: the omni transformer."""

from omniloom.models.omni import OmniConfig as OmniConfig
from omniloom.models.omni import OmniModel as OmniModel
from omniloom.models.omni import States as States
