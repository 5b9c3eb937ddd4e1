"""From a dataset to a registered model: the training run as a whole, as the command line and the job both call it.

The dataset is read, the history is walked into features, the ensemble is fitted and judged (`oracle.ensemble.fit`,
pure), the model is saved with the as-of state at the end of the history, and all of it is one MLflow run and one
registered version. The parameters are those judged on the test dates: nothing is fitted on them afterwards; only the
form, which is data, goes on to the last race.
"""

from oracle.training.pipeline import Trained, evaluate, train

__all__ = ["Trained", "evaluate", "train"]
