"""Networks behind scikit-learn's interface: `Classifier` and `Regressor`, for pipelines, cross-validation and searches.

    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from pellucid.sklearn import Classifier

    model = make_pipeline(StandardScaler(), Classifier(hidden=(64,), epochs=50, random_state=0))
    search = GridSearchCV(model, {"classifier__lr": [0.001, 0.01]}).fit(X, y)

The network is an `nn.Module`, the optimiser one of `optim`, and the loop is `train.Learner`: what is here only joins
them to scikit-learn, which must be installed.
"""

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ModuleNotFoundError(
        'pellucid.sklearn needs the package scikit-learn: pip install "pellucid[sklearn]"', name="sklearn"
    )

from pellucid.sklearn.classifier import Classifier
from pellucid.sklearn.regressor import Regressor

__all__ = ["Classifier", "Regressor"]
