"""Explanations by shap and lime in one form, and the numbers that judge them.

Thin wrappers: chapter 22 explains what they wrap, checks it by hand, and uses them first.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

if TYPE_CHECKING:
    import keras


class ExplanationError(ValueError):
    """Something that cannot be explained or compared as asked; one sentence."""


def lime_row(
    predict: Callable, row: np.ndarray, training: np.ndarray, samples: int, seed: int
) -> np.ndarray:
    """float64 (columns,): LIME's weight of each column for the second class at `row`.

    predict gives probabilities (n, classes); `samples` rows are drawn with `seed`. Raises
    `ExplanationError` when `row` has not the columns of `training`.
    """
    from lime.lime_tabular import LimeTabularExplainer

    if row.shape != training.shape[1:]:
        raise ExplanationError(
            f"The row has the shape {row.shape}, the training rows {training.shape[1:]}: give one "
            "row with the same columns."
        )
    explainer = LimeTabularExplainer(training, random_state=seed)
    options = {"num_features": len(row), "num_samples": samples}
    fit = explainer.explain_instance(row, predict, **options).as_map()[1]
    return np.array([weight for _, weight in sorted(fit)])


def lime_words(
    predict: Callable, text: str, label: int, samples: int, seed: int
) -> dict[str, float]:
    """Word -> LIME's weight of it for the class `label`, the most helpful first.

    predict takes a list of texts and gives probabilities (n, classes).
    """
    from lime.lime_text import LimeTextExplainer

    if not text.strip():
        raise ExplanationError("The text has no words: there is nothing to leave out.")
    options = {"labels": [label], "num_features": 1000, "num_samples": samples}
    fit = LimeTextExplainer(random_state=seed).explain_instance(text, predict, **options)
    found = {str(word): float(weight) for word, weight in fit.as_list(label=label)}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def lime_blocks(
    predict: Callable,
    images: np.ndarray,
    labels: Sequence[int],
    blocks: np.ndarray,
    samples: int,
    seed: int,
) -> np.ndarray:
    """float64 (images, height, width): for each pixel LIME's weight of its block.

    images (n, height, width, 1); labels the class explained in each; blocks int (height, width), a
    number from 0 for each pixel's block, hidden by black. predict gives probabilities.
    """
    from lime.lime_image import LimeImageExplainer

    if blocks.shape != images.shape[1:3]:
        raise ExplanationError(
            f"The blocks have the shape {blocks.shape}, the images {images.shape[1:3]}: give one "
            "block number for each pixel."
        )
    options = {"top_labels": None, "hide_color": 0, "num_samples": samples, "batch_size": samples}
    maps = []
    for image, label in zip(images, labels, strict=True):
        with patch("lime.lime_image.tqdm", iter):  # its progress bar cannot be turned off
            fit = LimeImageExplainer(random_state=seed).explain_instance(
                image[..., 0].astype(float),
                lambda x: predict(x[..., :1]),
                labels=[int(label)],
                segmentation_fn=lambda _: blocks,
                **options,
            )
        maps.append(np.array([weight for _, weight in sorted(fit.local_exp[int(label)])])[blocks])
    return np.array(maps)


def rank_agreement(attributions: Any) -> float:
    """Mean rank correlation of the sizes of all pairs of explanations (explanations, columns).

    1 means that all of them rank the columns alike. Raises `ExplanationError` for fewer than two.
    """
    from scipy.stats import rankdata

    sizes = np.abs(np.asarray(attributions, dtype=float))
    if sizes.ndim != 2 or len(sizes) < 2 or sizes.shape[1] < 3:
        raise ExplanationError(
            f"The explanations have the shape {sizes.shape}: give at least two, of at least three "
            "columns."
        )
    pairs = np.corrcoef(rankdata(sizes, axis=1))
    return float(pairs[np.triu_indices(len(sizes), 1)].mean())


def group_importance(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    groups: Sequence[Sequence[int]],
    repeats: int,
    seed: int,
) -> np.ndarray:
    """float64 (groups,): how much the Brier score grows when the columns of a group are shuffled.

    model has `predict_proba`, y is 0 or 1 for each row of x (n, columns). The columns of one group
    are shuffled together, so that they stay in step with one another; mean over `repeats` shuffles
    (Breiman 2001, doi:10.1023/A:1010933404324). x stays as it is.
    """
    rng, rows = np.random.default_rng(seed), np.tile(x, (repeats, 1))

    def brier(rows: np.ndarray) -> float:
        errors = model.predict_proba(rows)[:, 1].reshape(-1, len(x)) - y
        return float(np.mean(errors**2))

    base, grown = brier(x), []
    for group in map(list, groups):
        if not group or not set(group) <= set(range(x.shape[1])):
            raise ExplanationError(
                f"The group {group} is none of columns 0 to {x.shape[1] - 1}: name at least one, "
                "by number."
            )
        orders = np.concatenate([rng.permutation(len(x)) for _ in range(repeats)])
        shuffled = rows.copy()
        shuffled[:, group] = x[orders][:, group]
        grown.append(brier(shuffled) - base)
    return np.array(grown)


def deep_shap(
    model: keras.Model, background: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, float]:
    """(DeepExplainer's values (rows, columns, outputs), largest gap of its additivity check).

    With TensorFlow as the backend of Keras. The gap is that between base value plus values and the
    model's output; shap itself raises where it is not small.
    """
    import shap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras remarks on the way shap calls the model.
        explainer = shap.DeepExplainer(model, background)
        values = np.asarray(explainer.shap_values(rows, check_additivity=True))
    total = values.sum(axis=1) + np.asarray(explainer.expected_value)
    return values, float(np.abs(total - np.asarray(model(rows))).max())


def default_explainer(model: Any, rows: np.ndarray) -> dict[str, str]:
    """What `shap.Explainer(model)` makes of a model: which explainer, what the values add up to.

    The sums are compared with `predict_proba` of the second class.
    """
    import shap

    found = {"model": type(model).__name__, "explainer": "", "values add up to": ""}
    try:
        explainer = shap.Explainer(model)
        explanation = explainer(rows)
    except Exception as error:
        return found | {"explainer": f"fails: {type(error).__name__}", "values add up to": "-"}
    total = np.asarray(explanation.values.sum(axis=1) + explanation.base_values)
    wanted = model.predict_proba(rows)[:, 1]
    total = total[:, 1] if total.ndim == 2 else total
    kind = "the probability" if np.allclose(total, wanted, atol=1e-4) else "something else"
    if kind == "something else" and np.allclose(1 / (1 + np.exp(-total)), wanted, atol=1e-4):
        kind = "the log-odds"
    return found | {"explainer": type(explainer).__name__, "values add up to": kind}


def circulating_calls(predict: Callable, training: np.ndarray) -> list[dict[str, str]]:
    """What becomes of calls that programs on the web print: one row each, `error` is its kind.

    LIME is given labels (`predict`) where it needs probabilities, and an option it does not have;
    TensorBoard is started by a function that does not exist. A call that works has the error "".
    """
    import tensorboard
    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(training, random_state=0)
    calls = {
        "explain_instance(row, model.predict)": lambda: explainer.explain_instance(
            training[0], predict, num_samples=10
        ),
        "LimeTabularExplainer(x, discretize=True)": lambda: LimeTabularExplainer(
            training, discretize=True
        ),
        'tensorboard.run_main("tensorboard")': lambda: tensorboard.run_main("tensorboard"),
    }
    rows = []
    for name, call in calls.items():
        try:
            call()
            error = ""
        except Exception as problem:
            error = type(problem).__name__
        rows.append({"call": name, "error": error})
    return rows


def deletion_curve(
    probability: Callable,
    images: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    fill: Any = 0.0,
    parts: int = 16,
) -> np.ndarray:
    """float64 (parts + 1,): mean probability of the classes while pixels are replaced by `fill`.

    Pixels go in the order of `scores`, the largest first, in `parts` equal steps; scores has one
    number a pixel, and fill is a number or one image. Petsiuk et al. 2018,
    https://arxiv.org/abs/1806.07421. Raises `ExplanationError` for scores of another size.
    """
    flat = images.reshape(len(images), -1)
    if np.size(scores) != flat.size:
        raise ExplanationError(
            f"There are {np.size(scores):,} scores for {flat.size:,} pixels: give one for each."
        )
    order = np.argsort(-np.reshape(scores, flat.shape), axis=1, kind="stable")
    rank, empty = np.argsort(order, axis=1), np.broadcast_to(fill, images.shape[1:]).ravel()
    curve = []
    for count in np.linspace(0, flat.shape[1], parts + 1):
        left = np.where(rank < count, empty, flat).reshape(images.shape)
        curve.append(probability(left)[np.arange(len(images)), classes].mean(dtype=np.float64))
    return np.array(curve)
