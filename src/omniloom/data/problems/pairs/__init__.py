"""Problems of pairs: a source, its splits, encoders and a metric in one file each."""

from omniloom.data.problems.pairs.base import PAIR_SPLITS as PAIR_SPLITS
from omniloom.data.problems.pairs.base import PairProblem as PairProblem
from omniloom.data.problems.pairs.base import PairSplit as PairSplit
from omniloom.data.problems.pairs.base import TextPair as TextPair
from omniloom.data.problems.pairs.base import is_pair_problem as is_pair_problem
from omniloom.data.problems.pairs.base import names_pairs as names_pairs
from omniloom.data.problems.pairs.base import pair_problem as pair_problem
from omniloom.data.problems.pairs.base import pair_problem_names as pair_problem_names
from omniloom.data.problems.pairs.base import unshared as unshared
from omniloom.data.problems.pairs.encoders import Markup as Markup
from omniloom.data.problems.pairs.encoders import PairEncoder as PairEncoder
from omniloom.data.problems.pairs.encoders import PairEncoders as PairEncoders
from omniloom.data.problems.pairs.encoders import SubwordEncoder as SubwordEncoder
from omniloom.data.problems.pairs.encoders import TokenEncoder as TokenEncoder
from omniloom.data.problems.pairs.encoders import learn_subwords as learn_subwords
from omniloom.data.problems.pairs.metrics import PairScore as PairScore
from omniloom.data.problems.pairs.metrics import pair_metrics as pair_metrics
from omniloom.data.problems.pairs.mixed import PairsProblem as PairsProblem
from omniloom.data.problems.pairs.python_docs import TranslateEnfrPythonDocs as TranslateEnfrPythonDocs
from omniloom.data.problems.pairs.scan import ScanJump as ScanJump
from omniloom.data.problems.pairs.scan import ScanLength as ScanLength
from omniloom.data.problems.pairs.scan import ScanSimple as ScanSimple
from omniloom.data.problems.pairs.wmt import TranslateEndeWmt14 as TranslateEndeWmt14
from omniloom.data.problems.pairs.wmt import TranslateEnfrWmt14 as TranslateEnfrWmt14
