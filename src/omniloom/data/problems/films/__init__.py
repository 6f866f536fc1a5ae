"""Films as a problem: what moves where, what sounds, and how it ends."""

from omniloom.data.problems.films.problem import FilmsProblem as FilmsProblem
