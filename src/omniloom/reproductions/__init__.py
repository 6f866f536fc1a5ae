"""Published systems run small: what each claims, beside what was measured here."""

from omniloom.reproductions.catalogue import Reproduction as Reproduction
from omniloom.reproductions.catalogue import reproductions as reproductions
from omniloom.reproductions.result import Result as Result
from omniloom.reproductions.result import Row as Row
