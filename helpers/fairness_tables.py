"""Tables about people with a sensitive attribute: real ones, and one generated with known truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TABLES = ("generated", "adult", "compas", "diabetes")
# Columns that are no property of the person, or the output of the product under audit.
_LEFT_OUT = {"adult": ("fnlwgt", "education"), "compas": ("decile_score",)}


class PeopleError(ValueError):
    """A table of people that cannot be made; one sentence."""


@dataclass(frozen=True, eq=False)
class People:
    """A yes-or-no task about people: x_* float64 (n, columns), scaled; y_* int64 of 0 and 1.

    group_* names the group of each person, second_* a second attribute (for intersections).
    `states_group` (columns,) is True for the columns of x that say the group outright. score_test
    (n,) is a probability from outside: the true one of the generated table, the audited product's
    decile (1 to 10, divided by ten) in compas, else NaN.
    """

    name: str
    columns: tuple[str, ...]
    states_group: np.ndarray
    x_train: np.ndarray
    y_train: np.ndarray
    group_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    group_test: np.ndarray
    second_test: np.ndarray
    score_test: np.ndarray
    question: str

    def describe(self) -> str:
        """One line: the question, the sizes, the base rate of each group."""
        y, group = self.y_test, self.group_test
        rates = ", ".join(f"{name} {y[group == name].mean():.1%}" for name in np.unique(group))
        return (
            f"{self.name}: {self.question} {len(self.y_train):,} rows to train, {len(y):,} to "
            f"test, {len(self.columns)} columns. Share of yes: {rates}."
        )


def _generated(rows: int, generator: np.random.Generator) -> tuple:
    """People whose probability of "yes" is known; see `people`."""
    import pandas as pd

    group = np.where(generator.random(rows) < 0.4, "B", "A")
    region = np.where(generator.random(rows) < 0.5, "south", "north")
    of_b = (group == "B").astype(float)
    ability = generator.normal(-0.6 * of_b, 1.0)
    tenure = generator.normal(0.0, 1.0, rows)
    street = generator.normal(2.0 * of_b, 1.0)  # where people live: no cause, a sign of the group
    effect = np.where(of_b == 1, 1.2, -0.8) * (region == "south")  # opposite in the two groups
    logit = -0.7 + 1.4 * ability + 0.6 * tenure - 1.6 * of_b + effect
    probability = 1 / (1 + np.exp(-logit))
    y = (generator.random(rows) < probability).astype(np.int64)
    frame = pd.DataFrame({"ability": ability, "tenure": tenure, "street": street})
    frame["region"], frame["group"] = pd.Categorical(region), pd.Categorical(group)
    return frame, y, group, region, probability, "Is the loan paid back?"


def _real(name: str) -> tuple:
    """Table, label, group, second attribute, outside score and question of a catalogue table."""
    import pandas as pd

    from helpers import data

    split = data.load(name)
    if name == "diabetes":
        x = pd.DataFrame(np.concatenate([split.x_train, split.x_test]), columns=split.feature_names)
        target = np.concatenate([split.y_train, split.y_test])
        y = (target > np.median(target)).astype(np.int64)
        group = np.where(x["sex"] == 1, "sex 1", "sex 2")
        second = np.where(x["age"] > x["age"].median(), "older", "younger")
        return x, y, group, second, np.full(len(y), np.nan), "Does it progress fast?"
    x = pd.concat([split.x_train, split.x_test], ignore_index=True)
    y = np.concatenate([split.y_train, split.y_test])
    if name == "adult":
        second = np.where(x["race"] == "White", "white", "not white")
        return x, y, x["sex"].astype(str).to_numpy(), second, np.full(len(y), np.nan), "Over 50K?"
    # Six groups of race, four of them small: the audit of 2016 compared these two.
    kept = x["race"].isin(["African-American", "Caucasian"]).to_numpy()
    x, y = x[kept].reset_index(drop=True), y[kept]
    x["race"] = x["race"].cat.remove_unused_categories()
    score = x["decile_score"].to_numpy(float) / 10
    return x, y, x["race"].astype(str).to_numpy(), x["sex"].astype(str).to_numpy(), score, "Again?"


def people(name: str, seed: int = 0, rows: int = 8000, test: float = 0.4) -> People:
    """The `People` called `name`: generated, adult, compas or diabetes, split anew by `seed`.

    The share `test` is held out, stratified by label and group; columns are scaled by the training
    part. `rows` is the size of the generated table: two groups, A and B, of which B has less
    ability on average; street tells the group and causes nothing; the probability of yes is
    sigmoid(-0.7 + 1.4 ability + 0.6 tenure - 1.6 [B] + 1.2 [B, south] - 0.8 [A, south]). Group and
    second attribute: sex and race in two classes (adult), race and sex (compas), sex and age
    (diabetes). Raises `PeopleError` for an unknown name and for sizes that leave nothing to learn
    from.
    """
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    from helpers.tabular import as_columns

    if name not in TABLES:
        raise PeopleError(f"There is no table '{name}' of people; use one of {', '.join(TABLES)}.")
    if not 0.1 <= test <= 0.9:
        raise PeopleError(f"The share to test is {test!r}; give a number from 0.1 to 0.9.")
    if name == "generated" and (isinstance(rows, bool) or not rows >= 200):
        raise PeopleError(f"The generated table would have {rows!r} rows; give 200 or more.")
    made = _generated(int(rows), np.random.default_rng(seed)) if name == "generated" else None
    frame, y, group, second, score, question = made or _real(name)
    x, columns = as_columns(frame.drop(columns=list(_LEFT_OUT.get(name, ()))))
    strata = np.char.add(group.astype(str), y.astype(str))
    fit, held = train_test_split(
        np.arange(len(y)), test_size=test, stratify=strata, random_state=seed
    )
    scale = StandardScaler().fit(x[fit])
    sensitive = {"generated": "group", "compas": "race"}.get(name, "sex")
    states: Any = np.array([column.split("_")[0] == sensitive for column in columns])
    return People(
        name, columns, states, scale.transform(x[fit]), y[fit], group[fit],
        scale.transform(x[held]), y[held], group[held], second[held], score[held], question,
    )  # fmt: skip
