"""What to learn: registered problems, each a source of examples by split and index, and how answers are scored."""

from omniloom.data.problems.base import CELLS as CELLS
from omniloom.data.problems.base import SPLITS as SPLITS
from omniloom.data.problems.base import Example as Example
from omniloom.data.problems.base import Problem as Problem
from omniloom.data.problems.base import Split as Split
from omniloom.data.problems.base import Task as Task
from omniloom.data.problems.base import problems as problems
from omniloom.data.problems.chat_problem import ChatFilesProblem as ChatFilesProblem
from omniloom.data.problems.dialogues import DialoguesProblem as DialoguesProblem
from omniloom.data.problems.digits import DigitsProblem as DigitsProblem
from omniloom.data.problems.emoji import EmojiProblem as EmojiProblem
from omniloom.data.problems.films import FilmsProblem as FilmsProblem
from omniloom.data.problems.mix import Mixture as Mixture
from omniloom.data.problems.mix import WorldMix as WorldMix
from omniloom.data.problems.mix import cell_example as cell_example
from omniloom.data.problems.mix import cell_examples as cell_examples
from omniloom.data.problems.scenes_problem import ScenesProblem as ScenesProblem
from omniloom.data.problems.score import Transcriber as Transcriber
from omniloom.data.problems.score import majority as majority
from omniloom.data.problems.score import partial_scores as partial_scores
from omniloom.data.problems.score import score as score
from omniloom.data.problems.score import shuffled as shuffled
from omniloom.data.problems.speech_problem import SpeechProblem as SpeechProblem
from omniloom.data.problems.sums import SumsProblem as SumsProblem
from omniloom.data.problems.unknown import UnknownProblem as UnknownProblem
from omniloom.data.problems.unknown import is_refusal as is_refusal
