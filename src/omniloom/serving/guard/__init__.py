"""What stands between the network and the model: origins, keys, rates, sizes, and leaving in good order."""

from omniloom.serving.guard.drain import Drain as Drain
from omniloom.serving.guard.keys import KeyRing as KeyRing
from omniloom.serving.guard.visit import Visit as Visit
from omniloom.serving.guard.visit import visit_of as visit_of
