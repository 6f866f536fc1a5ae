"""What prompts of a batch begin with alike, computed once."""

from omniloom.generation.sharing.beginnings import Beginning as Beginning
from omniloom.generation.sharing.beginnings import beginnings_of as beginnings_of
from omniloom.generation.sharing.rows import SharedRows as SharedRows
