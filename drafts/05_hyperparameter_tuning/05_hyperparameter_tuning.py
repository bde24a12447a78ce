# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 Hyperparameter tuning
#
# > **The interviewer asks:** You have computing time for sixteen full trainings and three hyperparameters to set. How do you search, when do you stop a training early, and what score do you report at the end?
# >
# > **面试官问：** 你手上的算力只够完整训练十六次，却有三个超参数要定。你怎么搜索？什么时候提前停掉一次训练？最后汇报的分数又该怎么算？
#
# Questions answered here: A16, F9, E11
#
# **What you will be able to say**
#
# - what grid search, random search, Bayesian optimization and early stopping of trials do, and how they compare when the budget is counted in trained epochs;
# - which hyperparameter to search first, and how to measure that;
# - why the best score of a search is too good, and how to correct it without training anything again;
# - what carries over from a small model to a large one, where nobody can afford sixteen trainings.
#
# **Prerequisites:** [chapter 01](01_evaluation.ipynb), for splits and intervals. Small neural networks and gradient descent in outline.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("05_hyperparameter_tuning")

# %% [markdown]
# ## Sixty-second answer
#
# I first write down the metric, the search space with its scales (a learning rate is searched on a logarithmic scale), and the budget in trained epochs or GPU hours, not in trials. Random search is my baseline: it tries a new value of every hyperparameter each time, whereas a grid spends most of its trials on repeating values. The largest saving comes from stopping bad trainings early: successive halving, asynchronously ASHA, or Hyperband. Bayesian optimization, with TPE or a Gaussian process, learns from finished trials; it pays when trials are expensive and there is time for more than a handful of them.
#
# The best score of a search is too good, because the maximum also picks luck. So I report a score from data that chose nothing: a test set read once, nested cross-validation, or a bootstrap correction. For a large model I tune a small one, with a parametrization whose best learning rate does not depend on width, and I check a few sizes before I trust it.

# %% tags=["parameters"]
PROFILE: str = ""  # quick, full or gpu; empty: $COURSE_PROFILE, else quick
SEED: int = 0  # samples, networks and searches
IMAGES: str = ""  # a set of images with ten classes; empty: what the profile says
TRAININGS: int = 16  # the budget of a search, in full trainings of 27 epochs
SEARCHES: int = 12  # searches with different seeds, for each way of searching
SESSIONS: int = 40  # small samples on which the best cross-validated score is checked
CANDIDATES: int = 40  # settings that each of these sessions tries

# %% [markdown]
# ## The data
#
# Small pictures with ten classes: handwritten digits in `quick`, clothes (Fashion-MNIST) in `full`. The rows are shuffled and cut in three: networks learn from `learn`, searches look at their accuracy on `tune`, and `fresh` plays the future.

# %%
import numpy as np

from helpers import data
from helpers.evidence import claim, record, say, start

run = start("05_hyperparameter_tuning", PROFILE, SEED)
draw = np.random.default_rng(SEED)
images = IMAGES or ("digits", "fashion_mnist", "fashion_mnist")
sizes = run.sizes(images=images, learn=(400, 2000, 2000), tune=(500, 1000, 1000))
split = data.load(sizes.images)
print(split.describe())

# %%
def columns(images):  # at most 14 x 14 pixels, each the mean of a block
    n, side = images.shape[:2]
    block = max(1, side // 14)
    blocks = images.reshape(n, side // block, block, side // block, block)
    return blocks.mean(axis=(2, 4)).reshape(n, -1)


x, y = np.r_[columns(split.x_train), columns(split.x_test)], np.r_[split.y_train, split.y_test]
mixed = draw.permutation(len(y))[: sizes.learn + sizes.tune + 2000]
learn, tune, fresh = np.split(mixed, [sizes.learn, sizes.learn + sizes.tune])
say("{a:,} rows to learn, {b:,} to tune, {c:,} fresh.", a=len(learn), b=len(tune), c=len(fresh))

# %% [markdown]
# ## A table of real training curves
#
# To compare ways of searching fairly, each one must run many times, and the true optimum must be known. So we do what benchmarks such as [NAS-Bench-101](https://arxiv.org/abs/1902.09635) do: train *every* setting once, keep every curve, and let all searches look up the table. They are still charged for each epoch that they look at.
#
# A setting is a learning rate, a momentum and a weight decay (a pull of the weights towards zero). `train_many` trains all the networks, with one hidden layer each, by stochastic gradient descent in plain NumPy; a layer of all of them is one batched matrix product.

# %%
from helpers.many_networks import train_many
from helpers.tuning import Space, expected_improvement

EPOCHS = 27
levels = {"learning_rate": tuple(np.geomspace(1e-4, 10, 24)), "momentum": (0.0, 0.5, 0.8, 0.95)}
levels["weight_decay"] = (1e-6, 1e-5, 1e-4, 1e-3)
space = Space(levels)
held = x[learn], y[learn], x[tune], y[tune]
trained = train_many(*held, **space.columns(), epochs=EPOCHS, sizes=(32,), seed=SEED)
curve = trained.accuracy  # (settings, epochs)
final = curve[:, -1].reshape(space.shape)
say("{n} settings, {e:,} epochs trained.", n=len(space), e=curve.size)

# %%
from helpers.plots import figure, show

order = np.argsort(-curve[:, -1])  # the best setting first
with figure(columns=2, width=9) as (drawing, (left, right)):
    for level, momentum in enumerate(levels["momentum"]):
        best = final[:, level].max(axis=1)
        left.semilogx(levels["learning_rate"], best, label=f"momentum {momentum}")
    for rank in (0, 60, 150, 250):
        right.plot(np.arange(1, EPOCHS + 1), curve[order[rank]], label=f"rank {rank + 1}")
    left.set(title="After the last epoch", xlabel="learning rate", ylabel="accuracy on tune")
    right.set(title="While they train", xlabel="epoch", ylabel="accuracy on tune")
    left.legend(), right.legend()
    show(drawing, "Left: the best over weight decays. Right: four settings, by final rank.")

# %% [markdown]
# The left picture has a ridge: with more momentum the best learning rate is smaller, because momentum adds up steps. Beyond the ridge the networks diverge. The right picture holds the idea of early stopping: bad settings can often be told from good ones long before the end, although not always.
#
# ## Which hyperparameter matters?
#
# Before a search: which hyperparameters deserve its trials? Because the table is complete, the share of the variance that each one explains alone is a matter of averaging (a *functional analysis of variance*). What is left over is interaction, such as the ridge. In practice nobody has the table; Optuna estimates importance from the trials of a study. Here it sees sixty random settings.

# %% tags=["nbval-check-output"]
from helpers.tables import show_table
from helpers.tuning import main_effects

share = dict(zip(space.levels, main_effects(final), strict=True))
rows = [{"hyperparameter": name, "alone": value} for name, value in share.items()]
rows.append({"hyperparameter": "interactions", "alone": 1 - sum(share.values())})
show_table(rows, "Share of the variance of final accuracy", alone=".1%")
rate, decay = share["learning_rate"], share["weight_decay"]
claim("The learning rate explains most", rate, id="rate_matters", at_least=0.5, unit="%")
claim("Weight decay explains next to nothing", decay, id="decay_idle", at_most=0.02, unit="%")

# %% tags=["nbval-check-output"]
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=SEED))


def suggest(trial):  # the number of the setting that the sampler proposes
    pairs = zip(space.levels, space.shape, strict=True)
    return space.number([trial.suggest_int(name, 0, levels - 1) for name, levels in pairs])


study.optimize(lambda trial: curve[suggest(trial), -1], n_trials=60)
guess = optuna.importance.get_param_importances(study)
first = float(max(guess, key=guess.get) == "learning_rate")
say("Optuna's estimate for the learning rate: {g:.0%}.", g=guess["learning_rate"])
claim("Optuna also ranks the learning rate first", first, id="optuna_importance", equals=1)

# %% [markdown]
# The searches propose *levels*, 0 to 23 for the learning rate, and the levels are spaced evenly on a logarithmic scale. Without the logarithm, nine in ten draws between `0.0001` and `10` would be larger than `1`, where the networks diverge. In Optuna without a table one writes `suggest_float(name, low, high, log=True)`.
#
# Importance is a property of the *range* too: a weight decay of one would matter.
#
# ## Grid against random
#
# Momentum is fixed for the moment, so there are two hyperparameters: one that matters and one that hardly does. Nobody knows that beforehand, so the grid crosses a few learning rates with four weight decays. Random search draws as many pairs. How far below the best of the table (the *regret*) does each end? To be fair to the grid, we average over every shift of its learning rates, and over all four momenta. The claim is about the row with three learning rates, as in the habitual `0.1, 0.01, 0.001`.

# %% tags=["nbval-check-output"]
table = []
for rates in (2, 3, 4, 6):
    regrets, step = {"grid": [], "random": []}, 24 // rates
    for momentum in range(4):
        plane = final[:, momentum]  # learning rates x weight decays
        regrets["grid"] += [plane.max() - plane[shift::step].max() for shift in range(step)]
        drawn = draw.choice(plane.ravel(), (2000, 4 * rates))
        regrets["random"] += list(plane.max() - drawn.max(axis=1))
    table.append({"trainings": 4 * rates} | {name: np.mean(r) for name, r in regrets.items()})
show_table(table, "Mean regret in accuracy", grid=".4f", random=".4f")
ratio = table[1]["random"] / table[1]["grid"]
claim("Random beats a coarse grid", ratio, id="random_beats_grid", at_most=0.9, unit="%")

# %% [markdown]
# The grid tries every learning rate four times; random search hardly repeats one, and that is its whole advantage ([Bergstra and Bengio 2012](https://www.jmlr.org/papers/v13/bergstra12a.html)). The advantage is no law. It is large while the grid is coarse, and it fades in the last row of the table: once the grid is finer than the hill is wide, even spacing is as good as luck. A grid in many dimensions is always coarse, since its size is a product.
#
# ## The same budget for everybody
#
# Now all three hyperparameters and five ways to search. What is a fair comparison? A search that stops trainings early starts many more of them, so counting *trials* would be unfair. `Meter` counts *epochs*: it refuses any epoch beyond the budget.
#
# - **Random**: no memory.
# - **TPE** (tree-structured Parzen estimator): fits one density to the good trials and one to the rest, and proposes where their ratio is largest.
# - **ASHA**, asynchronous successive halving: looks at rungs of 1, 3, 9 and 27 epochs; a training goes on only if it is in the best third of those that reached the rung.
# - **Hyperband**: several such ladders, of which some start stopping later, in case early epochs mislead.
# - **Gaussian process**: a smooth guess with an uncertainty for every setting; proposes where the *expected improvement* over the best so far is largest. Optuna's own needs PyTorch, so we build it from scikit-learn's regressor.

# %%
from itertools import pairwise

RUNGS = (1, 3, 9, EPOCHS)


def objective(trial, meter):
    number = suggest(trial)
    for before, rung in pairwise((0, *RUNGS)):
        if not meter.train(rung - before):
            raise optuna.TrialPruned  # the budget is spent
        trial.report(curve[number, rung - 1], rung)
        if rung < EPOCHS and trial.should_prune():
            raise optuna.TrialPruned
    meter.finish(curve[number, -1])
    return curve[number, -1]

# %%
from helpers.tuning import Meter

no_pruner = optuna.pruners.NopPruner()  # without it, Optuna takes a median pruner


def search(seed, sampler=optuna.samplers.RandomSampler, pruner=no_pruner):
    fixed = dict(sampler=sampler(seed=seed), study_name=str(seed))  # Hyperband hashes the name
    study = optuna.create_study(direction="maximize", pruner=pruner, **fixed)
    meter = Meter(TRAININGS * EPOCHS)
    while meter.open:
        study.optimize(lambda trial: objective(trial, meter), n_trials=1)
    return meter, len(study.trials)


meter, trials = search(SEED)
say("One random search: {t} trials begun, {e} epochs.", t=trials, e=meter.spent)

# %%
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its limit is fine here
kernel = Matern([0.2, 1, 1], (0.05, 20), nu=2.5) + WhiteKernel(0.01, (1e-4, 1))


def propose(tried):  # the setting with the largest expected improvement
    scores = curve[tried, -1]
    model = GaussianProcessRegressor(kernel, normalize_y=True).fit(places[tried], scores)
    hope = expected_improvement(*model.predict(places, return_std=True), scores.max())
    hope[tried] = -1
    return int(hope.argmax())

# %%
places = space.places() / (np.array(space.shape) - 1)  # every axis from 0 to 1


def gaussian_process(seed):
    meter, tried = Meter(TRAININGS * EPOCHS), []
    start_with = np.random.default_rng(seed).choice(len(space), 4, replace=False)
    while meter.train(EPOCHS):
        tried.append(int(start_with[len(tried)]) if len(tried) < 4 else propose(tried))
        meter.finish(curve[tried[-1], -1])
    return meter, len(tried)


meter, trials = gaussian_process(SEED)
say("One search with a Gaussian process: {t} trials, {e} epochs.", t=trials, e=meter.spent)

# %% [markdown]
# `TPESampler` starts with five random trials here instead of its usual ten. Each of the five ways now runs with several seeds, on the same table and with the same budget. The figure shows the mean regret after each epoch that was paid; only finished trainings count.

# %%
from functools import partial

ladder = dict(min_resource=1, reduction_factor=3)
ways = {"random": {}}
ways["TPE"] = {"sampler": partial(optuna.samplers.TPESampler, n_startup_trials=5)}
ways["ASHA"] = {"pruner": optuna.pruners.SuccessiveHalvingPruner(**ladder)}
ways["Hyperband"] = {"pruner": optuna.pruners.HyperbandPruner(max_resource=EPOCHS, **ladder)}
seeds = range(100 * SEED, 100 * SEED + SEARCHES)
runs = {name: [search(seed, **way) for seed in seeds] for name, way in ways.items()}
runs["Gaussian process"] = [gaussian_process(seed) for seed in seeds]
regret = {name: final.max() - np.array([m.best for m, _ in done]) for name, done in runs.items()}
say("{n} searches done.", n=sum(len(done) for done in runs.values()))

# %%
with figure() as (drawing, axes):
    for name, paths in regret.items():
        axes.semilogy(paths.mean(axis=0), label=name)
    axes.set(title="Regret at the same budget", xlabel="epochs trained", ylabel="mean regret")
    axes.legend()
    show(drawing, "Mean over all searches of the distance to the best setting of the table.")

# %% tags=["nbval-check-output"]
half, rows = TRAININGS * EPOCHS // 2, []
for name, paths in regret.items():
    trials, epochs = zip(*[(trials, meter.spent) for meter, trials in runs[name]], strict=True)
    row = {"search": name, "trials": np.mean(trials), "epochs": max(epochs)}
    row |= {"half way": paths[:, half].mean(), "end": paths[:, -1].mean()}
    rows.append(row | {"standard error": paths[:, -1].std() / np.sqrt(SEARCHES)})
digits = dict.fromkeys(list(rows[0])[3:], ".4f")
show_table(rows, "Mean regret in accuracy", trials=".0f", **digits)
over = max(row["epochs"] for row in rows) / (TRAININGS * EPOCHS)
claim("Nobody trains beyond the budget", over, id="equal_budget", at_most=1)
claim("At least ten searches each", SEARCHES, id="search_seeds", at_least=10)

# %% tags=["nbval-check-output"]
mean = {name: paths.mean(axis=0) for name, paths in regret.items()}
needed = np.argmax(mean["ASHA"] <= mean["random"][-1]) / (TRAININGS * EPOCHS)
claim("Pruning needs fewer epochs for the same", needed, id="epochs_needed", at_most=0.75, unit="%")
left = mean["ASHA"][-1] / mean["random"][-1]
claim("At equal epochs its regret is smaller", left, id="asha_regret", at_most=0.8, unit="%")
more = rows[2]["trials"] / rows[0]["trials"]
claim("It looks at several times as many settings", more, id="asha_trials", at_least=4, unit="x")
for name, key in (("TPE", "tpe"), ("Gaussian process", "gp"), ("Hyperband", "hyperband")):
    record(f"{key}_regret", mean[name][-1] / mean["random"][-1], "%")

# %% [markdown]
# Stopping early gets far with few epochs, since a hopeless setting is found out after one. Hyperband hedges: part of its budget goes to ladders that stop later, which costs something when early epochs are as telling as they are here. Both fail when the good settings start slowly, for instance small learning rates with a long schedule; then the first rung has to be later.
#
# The two methods that learn from trials have only sixteen of them, and the first few are random. How far they lead over random search at the end depends on the seed and on the data: compare the column `end` with the standard errors. Late in the budget they can catch up with pruning. Model-based search needs trials to learn from; in practice one combines it with early stopping (BOHB, or `TPESampler` with a pruner).
#
# ## The best score is too good
#
# A search returns the largest of many scores, and each score carries luck. How much too good is it? In each session we draw fifty rows, try forty random settings with five-fold cross-validation, and take the best. Its folds' networks are then scored on all rows outside the session. Nothing leaks: every score is taken on rows that the network has not seen.
#
# Is there a remedy without more training or more data? **Bootstrap bias correction** ([Tsamardinos et al. 2018](https://doi.org/10.1007/s10994-018-5714-4)) draws rows with replacement, chooses the best setting *on the drawn rows*, and scores it on those that were not drawn. It only needs the table of right and wrong answers.

# %%
shape, fold = (SESSIONS, CANDIDATES), np.arange(50) % 5
samples = np.array([draw.choice(mixed, 50, replace=False) for _ in range(SESSIONS)])


def per_network(test):  # (networks, rows): for every session, candidate and fold
    parts = np.stack([samples[:, (fold == k) == test] for k in range(5)], axis=1)
    return np.repeat(parts[:, None], CANDIDATES, axis=1).reshape(-1, parts.shape[-1])


low, high = {"learning_rate": -1.5, "weight_decay": -6}, {"learning_rate": 0, "weight_decay": -2}
tried = {name: 10 ** draw.uniform(low[name], high[name], shape) for name in low}
tried["momentum"] = draw.uniform(0, 0.8, shape)
tried = {name: np.repeat(values.ravel(), 5) for name, values in tried.items()}
say("{n:,} small networks to train.", n=len(tried["momentum"]))

# %%
small = dict(sizes=(16,), epochs=12, batch=16, seed=SEED)
rest, one = per_network(False), per_network(True)
nets = train_many(x, y, x[one], y[one], rows=rest, **tried, **small)
right = nets.right.reshape(*shape, 50)  # sessions, candidates, rows
best, truth = right.mean(axis=2).max(axis=1), []
for session, winner in enumerate(right.mean(axis=2).argmax(axis=1)):
    unseen = np.setdiff1d(mixed, samples[session])
    first = (session * CANDIDATES + winner) * 5  # the networks of the winner's five folds
    hits = [nets.predict(first + k, x[unseen]) == y[unseen] for k in range(5)]
    truth.append(np.mean(hits))
say("Best score {b:.1%}, on fresh rows {f:.1%}.", b=best.mean(), f=np.mean(truth))

# %% tags=["nbval-check-output"]
from helpers.tuning import bootstrap_corrected

bbc = np.array([bootstrap_corrected(table, seed=SEED) for table in right])
off, miss = np.mean(best - truth), abs(np.mean(bbc - truth))
claim("The best score overstates", off, id="optimism", at_least=0.02, unit="%")
claim("The correction takes much off", np.mean(best - bbc), id="bbc_lower", at_least=0.03, unit="%")
claim("What is left is near the truth", miss, id="bbc_fresh", at_most=0.045, unit="%")

# %% [markdown]
# The usual remedies cost more: nested cross-validation repeats the whole search for each outer fold (chapter 03), and a test set keeps rows away from training. The correction uses what is there. It corrects the *choice* only; the networks still learn from four fifths of the rows, and a single session still has the noise of fifty rows.
#
# ## The trap
#
# An example that circulates defines an Optuna objective that trains, calls `model.evaluate(x_test, y_test)` and returns that accuracy, and it samples with `trial.suggest_uniform`. Two things are wrong with it.
#
# The loud one: `suggest_uniform` has been deprecated since Optuna 3. It is often said to be gone; the version here still runs it, with a warning that names the release that drops it.
#
# The silent one: the test set has become the tuning set. We let all settings of the big table compete on a hundred test rows, two hundred times, and then look at the rows that were not used. Next to it stands the honest way: choose on one hundred rows, read another hundred once.

# %% tags=["nbval-check-output"]
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    trial = optuna.trial.FixedTrial({"dropout": 0.3})
    old = trial.suggest_uniform("dropout", 0.2, 0.5)
same = float(old == trial.suggest_float("dropout", 0.2, 0.5))
warned = sum(issubclass(w.category, FutureWarning) for w in heard)
claim("suggest_uniform warns of its removal", warned, id="suggest_uniform", at_least=1)
claim("suggest_float does the same", same, id="suggest_float", equals=1)

# %% tags=["nbval-check-output"]
answers = np.array([trained.predict(i, x[fresh]) == y[fresh] for i in range(len(space))])
cheat, honest = [], []
for _ in range(200):
    test, other, rest = np.split(draw.permutation(len(fresh)), [100, 200])
    marks = answers[:, test].mean(axis=1)
    winner = marks.argmax()
    cheat.append(marks[winner] - answers[winner, rest].mean())
    honest.append(answers[winner, other].mean() - answers[winner, rest].mean())
say("Off by {a:+.1%} and {b:+.1%}.", a=np.mean(cheat), b=np.mean(honest))
claim("Tuned on the test set: too good", np.mean(cheat), id="test_tuned", at_least=0.015, unit="%")
claim("Read once: not", abs(np.mean(honest)), id="test_once", at_most=0.01, unit="%")

# %% [markdown]
# No error, no warning, a better-looking number. The only way to notice is to read the objective and ask which rows its return value comes from.
#
# ## At large-model scale
#
# A language model of $N$ parameters, trained on $D$ tokens, costs about $6ND$ floating-point operations ([Kaplan et al. 2020](https://arxiv.org/abs/2001.08361)). With $N = 6.7 \times 10^9$ and $D = 3 \times 10^{11}$, as the 6.7B model of [GPT-3](https://arxiv.org/abs/2005.14165), one training is $1.2 \times 10^{22}$ of them. Sixteen trainings are sixteen times that, and nobody pays for them. A small model, the *proxy*, with $N = 4 \times 10^7$, costs a factor of $6.7 \times 10^9 / 4 \times 10^7 \approx 170$ less per token. So one tunes the proxy and carries the settings over.
#
# That works only if the optimum stays where it is. With the usual initialization and Adam it moves: the wider the layers, the smaller the best learning rate. **muP**, the maximal update parametrization ([Yang et al. 2022](https://arxiv.org/abs/2203.03466)), rescales so that updates change every layer's output by an amount that does not depend on width. For Adam and a network $k$ times as wide as the proxy: the learning rate of hidden and output weights is divided by $k$, that of the input weights stays, and the initial deviation of the output weights shrinks by $1/\sqrt{k}$ more than usual. The paper reports that tuning a 40M proxy for a 6.7B model took 7 % of the cost of its pretraining.
#
# We try it on networks with two hidden layers, in both parametrizations, over learning rates a factor of two apart. How far does the best one move when the width grows eight times? Single points are noisy, so we compare the middle of the *valley*: all learning rates whose loss is at most one and a half times the least.

# %%
exponents = np.arange(-11.0, -1.0)
grid = np.repeat(exponents, 2)  # two networks for every learning rate
part = 2 * x[learn][:400] - 0.6, y[learn][:400], x[tune], y[tune]
settings = dict(learning_rate=2**grid, momentum=np.full(len(grid), 0.9), adam=True, epochs=4)
settings["weight_decay"] = np.zeros(len(grid))


def losses(width, base=0):  # log loss of the last epoch; with a base width: muP
    k = width / base if base else 1
    rescaled = dict(multipliers=(1, 1 / k, 1 / k), output_scale=k**-0.5)
    nets = train_many(*part, sizes=(width, width), seed=SEED, **rescaled, **settings)
    return np.log(np.minimum(nets.loss[:, -1], 99)).reshape(-1, 2).mean(axis=1)

# %%
with figure(columns=2, width=9) as (drawing, axes):
    moved = {}
    for panel, (name, base) in zip(axes, {"usual": 0, "muP": 32}.items(), strict=True):
        valley = {width: losses(width, base) for width in (32, 256)}
        for width, loss in valley.items():
            panel.plot(exponents, loss, label=f"width {width}")
        narrow, wide = (np.mean(exponents[v <= v.min() + np.log(1.5)]) for v in valley.values())
        moved[name] = wide - narrow
        panel.set(title=name, xlabel="log2 of the learning rate", ylabel="log of the training loss")
        panel.legend()
    show(drawing, "Training loss of the last epoch, two widths, the usual parametrization and muP.")

# %% tags=["nbval-check-output"]
say("Doublings: usual {u:+.1f}, muP {m:+.1f}.", u=moved["usual"], m=moved["muP"])
fall, gain, unit = -moved["usual"], moved["muP"] - moved["usual"], "doublings"
claim("Usually the best rate falls with width", fall, id="width_shift", at_least=1, unit=unit)
claim("With muP it ends higher than that", gain, id="mup_gain", at_least=1, unit=unit)

# %% [markdown]
# In the usual parametrization the whole valley moves to the left as the width grows: a learning rate that was best for the narrow network is too large for the wide one, where the loss is not much worse yet but the edge of divergence comes closer. In muP the valley does not fall; between networks as small as these it may even rise a little, because the narrow one is too narrow to behave like its wide relatives. So the transfer is good, not exact. Two things to say in an interview: the lowest point is blurred, so compare valleys and not single points; and in our trials with plain gradient descent instead of Adam the best learning rate hardly moved between such small widths, so there was nothing to repair. Check on your own sizes.
#
# ## Exercises
#
# ### Exercise 05.1: successive halving
#
# `curves` is an array (settings, epochs) of accuracies. Write `halving(curves, rungs, factor)`: train all settings to the first rung, keep the best one in `factor` (at least one), train these on to the next rung, and so on. Return the number of the setting that leads at the last rung and the number of epochs spent. A training that goes on does not start again. Epoch 1 is column 0.
#
# <details><summary>Hint</summary>
#
# Keep an array of the numbers of the settings that are still alive, and sort it by `curves[alive, rung - 1]`.
#
# </details>

# %% tags=["exercise"]
def halving(curves, rungs, factor):
    """(winner, epochs spent) of successive halving."""
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import hyperparameter_tuning as check

check.halving(halving)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def halving(curves, rungs, factor):
    alive, spent = np.arange(len(curves)), 0
    for before, rung in pairwise((0, *rungs)):
        spent += len(alive) * (rung - before)
        alive = alive[np.argsort(-curves[alive, rung - 1])]
        winner = alive[0]
        alive = alive[: max(1, len(alive) // factor)]
    return winner, spent


check.halving(halving)

# %% [markdown]
# ### Exercise 05.2: a score that did not choose
#
# `right` is a table (settings, rows): 1 where the setting was right on that row. Write `honest_best(right, choose, report)`: choose the setting that is best on the rows `choose`, and return its accuracy on the rows `report`. Both are arrays of row numbers.

# %% tags=["exercise"]
def honest_best(right, choose, report):
    """Accuracy, on the rows `report`, of the setting that is best on the rows `choose`."""
    raise NotImplementedError


# %% tags=["check"]
check.honest_best(honest_best)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def honest_best(right, choose, report):
    winner = right[:, choose].mean(axis=1).argmax()
    return right[winner, report].mean()


check.honest_best(honest_best)

# %% [markdown]
# ## Quiz

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("05_hyperparameter_tuning")

# %% [markdown]
# ## What the interviewer asks next
#
# **"How many random trials are enough?"** If the good settings fill one twentieth of the space, sixty draws miss all of them with probability $0.95^{60} \approx 0.05$. The dimension does not enter, only the share; but with many hyperparameters that matter the share becomes tiny.
#
# **"Grid search with `GridSearchCV` is exhaustive. Is it not safer?"** It is exhaustive on the values that somebody typed. Between them it is blind, and its cost multiplies with each hyperparameter.
#
# **"ASHA or Hyperband?"** ASHA when early scores predict late ones; it also keeps many workers busy, because nobody waits for a rung to fill. Hyperband when that is unsure.
#
# **"How would you tune a model in production, automatically?"** A monitor raises the request (drift, a falling metric). The search has a fixed budget and space, runs on recent data split by time, and its winner is re-scored on data that chose nothing. It then goes to an A/B test behind a gate, with the old model ready for the way back. Settings, seeds, data version and all trials are kept. Nothing tunes itself on live users without a limit.
#
# **"Which seed do you report?"** Several. A seed is not a hyperparameter: choosing the best seed is tuning on luck.
#
# | Answer | How it sounds |
# |---|---|
# | Weak | "Use `GridSearchCV` or Optuna with a hundred trials", evaluated on the test set. |
# | Good | Random search on logarithmic scales as a baseline, pruning, a test set read once. |
# | Strong | States the budget in epochs, compares over seeds, measures importance, knows when early scores mislead, corrects the best score, and tunes a proxy for a large model after checking that the optimum carries over. |
#
# ## Takeaways
#
# - Count the budget in epochs. Trials are not equal.
# - Random beats a coarse grid when some hyperparameters do not matter; a grid in many dimensions is always coarse.
# - Stopping early saves most, provided that early scores predict late ones.
# - Model-based search needs trials to learn from.
# - The best of many scores is too good; correct it, nest it, or read a test set once.
# - For large models, tune small ones, and check on several sizes that the optimum carries over.
#
# ## References
#
# - Bergstra and Bengio 2012, [Random search for hyper-parameter optimization](https://www.jmlr.org/papers/v13/bergstra12a.html)
# - Bergstra et al. 2011, [Algorithms for hyper-parameter optimization](https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization) (TPE)
# - Jones, Schonlau and Welch 1998, [Efficient global optimization of expensive black-box functions](https://doi.org/10.1023/A:1008306431147)
# - Li et al. 2018, [Hyperband](https://www.jmlr.org/papers/v18/16-558.html)
# - Li et al. 2020, [A system for massively parallel hyperparameter tuning](https://arxiv.org/abs/1810.05934) (ASHA)
# - Akiba et al. 2019, [Optuna](https://arxiv.org/abs/1907.10902)
# - Hutter, Hoos and Leyton-Brown 2014, [An efficient approach for assessing hyperparameter importance](https://proceedings.mlr.press/v32/hutter14.html)
# - Ying et al. 2019, [NAS-Bench-101](https://arxiv.org/abs/1902.09635)
# - Tsamardinos, Greasidou and Borboudakis 2018, [Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation](https://doi.org/10.1007/s10994-018-5714-4)
# - Yang et al. 2022, [Tensor Programs V: tuning large neural networks via zero-shot hyperparameter transfer](https://arxiv.org/abs/2203.03466)
