"""How well pictures are drawn from words, and how exact the codecs are that they are drawn with."""

from omniloom.evaluation.pictures.judge import Judge as Judge
from omniloom.evaluation.pictures.judge import Verdict as Verdict
from omniloom.evaluation.pictures.measure import held_out as held_out
from omniloom.evaluation.pictures.measure import measured as measured
from omniloom.evaluation.pictures.paired import sign_flip_p as sign_flip_p
from omniloom.evaluation.pictures.rows import Comparison as Comparison
from omniloom.evaluation.pictures.rows import rows_of as rows_of
from omniloom.evaluation.pictures.run_folder import PictureRun as PictureRun
from omniloom.evaluation.pictures.similarity import psnr_db as psnr_db
from omniloom.evaluation.pictures.similarity import ssim as ssim
