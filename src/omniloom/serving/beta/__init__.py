"""The beta realtime protocol, translated to and from the GA one."""

from omniloom.serving.beta.session import BetaSession as BetaSession
