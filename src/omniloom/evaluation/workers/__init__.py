"""Rows scored by several processes, and whose scores they are."""

from omniloom.evaluation.workers.identity import identity as identity
from omniloom.evaluation.workers.identity import judge_identity as judge_identity
from omniloom.evaluation.workers.pool import identities_in_worker as identities_in_worker
from omniloom.evaluation.workers.pool import row_workers as row_workers
from omniloom.evaluation.workers.pool import score_row_in_worker as score_row_in_worker
from omniloom.evaluation.workers.pool import score_speakers_in_worker as score_speakers_in_worker
