# ruff: noqa
# fmt: off
# %% [markdown]
# # 17 Continual learning and drift
#
# > **The interviewer asks:** Your model went live half a year ago, and the world has moved on. How do you notice, when do you retrain, and how do you keep the model from forgetting what it already could?
# >
# > **面试官问：** 模型上线半年，外部环境已经变了。你怎么发现数据发生了漂移？什么时候该重新训练？又怎样避免模型学了新的、忘了旧的？
#
# Questions answered here: B6, B27, E14, E27
#
# **What you will be able to say**
#
# - what PSI, KS and confidence can tell without labels, and what they cannot;
# - how a drift detector is judged: delay and false alarms over many streams;
# - when importance weights repair a shift, and what they cost in effective rows;
# - why fine-tuning on new data forgets, and what replay and EWC keep;
# - how to choose a retrain trigger by its price.
#
# **Prerequisites:** [chapter 01](01_evaluation.ipynb) for intervals; [chapter 12](12_transfer_learning.ipynb) for fine-tuning.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("17_continual_learning")

# %% [markdown]
# ## Sixty-second answer
#
# Drift is a change of the data after training. I separate three kinds: the inputs change (covariate shift), the class shares change, or the meaning of an input changes (concept drift). Input statistics such as PSI and KS tell me *that* something changed, not whether it hurts: a harmless change of brightness sets them off, and a harmful change can make the model more confident. So I buy a small stream of labels and watch the error with a detector such as ADWIN, whose delay and false alarms I have counted on streams with known changes.
#
# If only the inputs shifted and the old rows still cover the new ones, importance weights repair much without new labels. Otherwise I retrain. Fine-tuning on the new rows alone forgets the old ones, so I replay a small memory of old rows; EWC helps where every task keeps all classes, and hardly where classes arrive one after another. The trigger is a question of price: a schedule buys accuracy with retrainings, a detector spends them when needed. A new model replaces the old one only if it wins on the same rows by more than chance, on new and on old data.

# %% tags=["parameters"]
PROFILE: str = ""  # quick, full or gpu; empty: $COURSE_PROFILE, else quick
SEED: int = 0  # rows, streams, networks
IMAGES: str = ""  # a set of images with ten classes; empty: what the profile says
STREAMS: int = 20  # streams on which a detector is judged
MEMORY: int = 0  # rows that replay keeps of each task; 0: what the profile says
STRENGTH: float = 10.0  # of the penalty of elastic weight consolidation

# %% [markdown]
# ## The data
#
# Pictures of ten classes: handwritten digits in `quick`, articles of clothing in `full`. Until the section on forgetting, a picture is a small grid, of 8 by 8 or, averaged over blocks, 7 by 7 cells: what a monitoring system would watch. The model in production is a logistic regression. Some rows train it, some are the *reference*, and some will arrive later as *new* rows.

# %%
import numpy as np
from sklearn.linear_model import LogisticRegression

from helpers.drift import blocks, flat, pictures, turned
from helpers.evidence import claim, record, say, start

run = start("17_continual_learning", PROFILE, SEED)
names = IMAGES or ("digits", "fashion_mnist", "fashion_mnist")
rows = {"train": (500, 3000, 3000), "window": (500, 2000, 2000), "task": (200, 1000, 1000)}
nets = {"hidden": (64, 128, 128), "epochs": (10, 3, 3), "memory": MEMORY or (20, 50, 50)}
how = {"block": (1, 4, 4), "merge": (1, 2, 2), "framework": ("numpy", "keras", "keras")}
sizes = run.sizes(images=names, **rows, **nets, **how)
pixels, labels = pictures(sizes.images)
grids = blocks(pixels, sizes.block)
print(f"{sizes.images}: {len(labels):,} pictures, watched as {grids.shape[1]} by {grids.shape[2]}.")

# %%
from threadpoolctl import threadpool_limits

threadpool_limits(1)  # the matrices are small: several threads would wait for one another
draw = np.random.default_rng(SEED)
order = draw.permutation(len(labels))
cuts = np.cumsum([sizes.train, sizes.window, sizes.window])
train, reference, new = np.split(order, cuts)[:3]
model = LogisticRegression(max_iter=200).fit(flat(grids[train]), labels[train])
right = model.predict(flat(grids[reference])) == labels[reference]
say("In production the model is right on {a:.1%} of the reference rows.", a=right.mean())

# %% [markdown]
# ## Drift without labels
#
# Labels come late, so everybody watches inputs first. Two statistics are common. The **population stability index** cuts the reference values of one feature into ten bins of equal content and compares the shares $p$ (reference) and $q$ (new): $\text{PSI} = \sum (q - p) \ln (q / p)$. A rule of thumb calls more than $0.25$ a large shift. The **Kolmogorov-Smirnov test** (KS) takes the largest gap between the two cumulative distributions and gives a p-value; with many features the limit is divided by their number (Bonferroni).
#
# Do these alarms tell harm from harmless? Three cases on the same new rows: nothing changes; the camera gets brighter (every cell times `1.4`); the camera is mounted a quarter turn off, with three times the contrast. Without labels we can also watch the model's confidence, its mean largest probability. The accuracy in the last column needs labels that nobody has yet. Cells that are always dark are left out.

# %% tags=["nbval-check-output"]
from scipy.stats import ks_2samp


def psi(old, now, bins=10):
    inner = np.unique(np.quantile(old, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(inner, v, "right"), minlength=len(inner) + 1) + 0.5
              for v in (old, now)]  # half a row in each bin keeps the logarithm finite
    p, q = (count / count.sum() for count in counts)
    return np.sum((q - p) * np.log(q / p))


old = flat(grids[reference])
live = np.flatnonzero(old.std(axis=0) > 0.02)
same = max(psi(old[:, j], flat(grids[new])[:, j]) for j in live)
claim("Without drift no feature has a large PSI", same, id="psi_quiet", at_most=0.25)

# %%
def watch(pictures_now):
    now = flat(pictures_now)
    p_values = [ks_2samp(old[:, j], now[:, j], method="asymp").pvalue for j in live]
    p = model.predict_proba(now)
    return {
        "KS_alarms": np.mean(np.array(p_values) < 0.05 / len(live)),
        "largest_PSI": max(psi(old[:, j], now[:, j]) for j in live),
        "confidence": p.max(axis=1).mean(),
        "accuracy": np.mean(p.argmax(axis=1) == labels[new]),
    }


# %% tags=["nbval-check-output"]
from helpers.tables import show_table

cases = {
    "no change": grids[new],
    "brighter": 1.4 * grids[new],
    "turned, more contrast": 3 * turned(grids[new]),
}
seen = {case: watch(now) for case, now in cases.items()}
columns = {"KS_alarms": ".0%", "largest_PSI": ".2f", "confidence": ".3f", "accuracy": ".1%"}
show_table([{"case": k} | v for k, v in seen.items()], "What monitoring sees", **columns)
calm, bright, bad = seen.values()
claim("Without drift KS is quiet", calm["KS_alarms"], id="ks_quiet", at_most=0.1, unit="%")
claim("Harmless: KS fires", bright["KS_alarms"], id="ks_harmless", at_least=0.4, unit="%")
claim("Harmless: PSI calls it large", bright["largest_PSI"], id="psi_harmless", at_least=0.5)

# %% tags=["nbval-check-output"]
lost = calm["accuracy"] - bright["accuracy"]
claim("Harmless: accuracy stays", lost, id="harmless_cost", at_most=0.04, unit="%")
lost = calm["accuracy"] - bad["accuracy"]
claim("Harmful: accuracy collapses", lost, id="harmful_cost", at_least=0.5, unit="%")
gain = bad["confidence"] - calm["confidence"]
claim("Harmful: confidence rises", gain, id="confidence_rises", at_least=0.02, unit="%")
say("The mean cell is {a:.2f} bright, then {b:.2f}.", a=grids[new].mean(), b=cases["brighter"].mean())

# %% [markdown]
# Two drifts, the same alarms, opposite consequences. And the one number that looks like quality, the confidence, rises while the model fails: a linear model becomes surer with contrast, whatever it sees. Input statistics say "look here". Whether it hurts, only labels say, a few of them, bought steadily.
#
# ## A detector, judged over many streams
#
# With a label for each prediction, or for a sample of them, the error itself is a stream of zeros and ones. **ADWIN** ([Bifet and Gavaldà 2007](https://doi.org/10.1137/1.9781611972771.42)) keeps a window of recent values and drops its old part when the means of the two parts differ by more than chance allows. **DDM** raises an alarm when the error lies three standard deviations above the lowest level seen so far. [River](https://riverml.xyz/) has both.
#
# One stream proves nothing. Each detector sees 20 streams with a change exactly in the middle, for each of the three cases. We count the streams with an alarm *before* the change (false), those with one after it, and the delay in rows. The flag `drift_detected` is true for one update only, so it is read after every update.

# %%
from river import drift

truth, half = labels[new], 1000
wrong = {k: (model.predict(flat(now)) != truth).astype(int) for k, now in cases.items()}


def alarms(detector, errors):
    found = []
    for place, error in enumerate(errors):
        detector.update(int(error))
        if detector.drift_detected:
            found.append(place)
    return found


# %%
def judged(make, case):  # over the streams: false alarms, hits, delays
    false, delays = 0, []
    for stream in range(STREAMS):
        rng = np.random.default_rng([SEED, 1, stream])
        parts = [rng.choice(wrong[kind], half) for kind in ("no change", case)]
        found = alarms(make(), np.concatenate(parts))
        false += any(place < half for place in found)
        delays += [place - half + 1 for place in found if place >= half][:1]
    return {"false_alarms": false, "alarms_after": len(delays), "delays": delays}


# %% tags=["nbval-check-output"]
made = {"ADWIN": drift.ADWIN, "DDM": drift.binary.DDM}
result = {(k, case): judged(make, case) for k, make in made.items() for case in cases}
table = []
for (name, case), r in result.items():
    middle = f"{np.median(r['delays']):.0f}" if r["delays"] else "none"
    counted = {k: r[k] for k in ("false_alarms", "alarms_after")}
    table.append({"detector": f"{name}: {case}"} | counted | {"median_delay": middle})
show_table(table, f"{STREAMS} streams each, a change in the middle")
hit, mild = result["ADWIN", "turned, more contrast"], result["ADWIN", "brighter"]
share, false = hit["alarms_after"] / STREAMS, hit["false_alarms"] / STREAMS
claim("ADWIN finds the harmful change", share, id="adwin_hits", equals=1, unit="%")
claim("ADWIN is silent before it", false, id="adwin_false", at_most=0.1, unit="%")

# %% tags=["nbval-check-output"]
delay, quiet = max(hit["delays"]), mild["alarms_after"] / STREAMS
claim("Its longest delay is short", delay, id="adwin_delay", at_most=200, unit="rows")
claim("ADWIN ignores the harmless change", quiet, id="adwin_harmless", at_most=0.15, unit="%")
early = result["DDM", "turned, more contrast"]["false_alarms"] / STREAMS
claim("DDM raises more false alarms", early - false, id="ddm_false", at_least=0.05, unit="%")
flags = []
for stream in range(STREAMS):
    rng = np.random.default_rng([SEED, 1, stream])
    parts = [rng.choice(wrong[kind], half) for kind in ("no change", "turned, more contrast")]
    detector = drift.ADWIN()
    flags.append([detector.update(int(e)) or detector.drift_detected for e in np.hstack(parts)][-1])
claim("The flag read once at the end is down", np.mean(flags), id="flag_end", at_most=0.1, unit="%")

# %% [markdown]
# The error, not the input, separates the two cases. The two detectors make opposite trades: DDM answers weak signals and cries wolf, ADWIN waits for evidence. The delay is counted in *labelled* rows: with one label in a hundred, it is a hundred times as long in requests. And who reads the flag at the end of a batch sees nothing.
#
# ## Covariate shift and importance weights
#
# Now the inputs change but their meaning does not, and there are no new labels at all. A quarter turn was rare in training, one picture in ten; in the field it is nine in ten. The old labelled rows still cover the new ones, only in the wrong proportion. Then each old row should count $w(x) = q(x) / p(x)$, the density of its input in the field over that in training ([Shimodaira 2000](https://doi.org/10.1016/S0378-3758%2800%2900115-4)).
#
# Nobody knows $p$ and $q$, but their ratio is a classification problem: train a model to tell field from training inputs, no labels needed; its odds are the weights. Here we know the truth, 9 for a turned picture and $1/9$ for an upright one, so the guess can be compared with perfect weights. All over five draws.

# %%
def drawn(rng, part, share, count):
    i = rng.choice(part, count, replace=False)
    is_turned = rng.random(count) < share
    x = np.where(is_turned[:, None, None], turned(grids[i]), grids[i])
    return flat(x), labels[i], is_turned


def fitted(x, y, weight=None):
    return LogisticRegression(max_iter=200).fit(x, y, sample_weight=weight)


def odds(x_old, x_field):
    side = np.r_[np.zeros(len(x_old)), np.ones(len(x_field))]
    p_field = fitted(np.r_[x_old, x_field], side).predict_proba(x_old)[:, 1]
    return p_field / (1 - p_field)


# %%
scores, effective = [], []
for repeat in range(5):
    rng = np.random.default_rng([SEED, 2, repeat])
    parts = np.array_split(rng.permutation(len(labels)), 3)
    shares, count = (0.1, 0.9, 0.9), min(sizes.train, len(labels) // 3)
    (x, y, tilt), (field, _, _), (x_test, y_test, _) = (
        drawn(rng, part, share, count) for part, share in zip(parts, shares, strict=True)
    )
    ratio = odds(x, field)
    weights = (None, ratio / ratio.mean(), np.where(tilt, 9, 1 / 9))
    blends = [fitted((1 - a) * x + a * field, y) for a in (0.1, 0.5)]  # for the trap below
    scores.append([m.score(x_test, y_test) for m in [fitted(x, y, w) for w in weights] + blends])
    effective.append(ratio.sum() ** 2 / (ratio**2).sum() / count)

# %% tags=["nbval-check-output"]
from helpers.transfer import mean_interval

plain, weighted, perfect, tenth, middle = np.array(scores).T
names = {"as it was": plain, "estimated weights": weighted, "true weights": perfect}
show_table(
    [{"training": k, "accuracy in the field": str(mean_interval(v))} for k, v in names.items()],
    "Five draws: mean and interval",
)
cut = np.mean((1 - weighted) / (1 - plain))
claim("Importance weights lower the field error", cut, id="weighted_error", at_most=0.9, unit="%")
low = mean_interval(weighted - plain).low
claim("The gain is not luck", low, id="weighted_gain", above=0, unit="%")
claim("Few rows carry the weight", np.mean(effective), id="effective", at_most=0.4, unit="%")

# %% [markdown]
# The weights repair a good part without one new label. Their price is in the last claim: the *effective sample size* $(\sum w)^2 / \sum w^2$ is a small share of the rows, because the rare rows do all the work. Where the old data hold no row of the new kind, the ratio is infinite and no weight helps; then labels must be bought. And weights presuppose that the same input still has the same label.
#
# ## Learning new classes: forgetting, replay and EWC
#
# Five tasks follow one another, two classes each, and at the end the network has to tell all ten apart. That is *class-incremental* learning. Four ways to learn:
#
# - **naive**: fine-tune on each task's rows alone;
# - **replay**: keep a few rows of each past task and mix them in, repeated so that old and new weigh about the same;
# - **EWC** (elastic weight consolidation, [Kirkpatrick et al. 2017](https://doi.org/10.1073/pnas.1611835114)): keep no rows but add $\frac{\lambda}{2} \sum_i F_i (\theta_i - \theta_i^*)^2$ to the loss; $\theta^*$ are the old weights and $F$, the diagonal of the Fisher information, says which of them the old answers depend on;
# - **joint**: all rows at once, the upper bound.
#
# A second world has *permuted* inputs: each task has all ten classes, but its pixels in an order of its own. Five seeds train at once: other weights, rows, class orders and permutations. In `quick` the networks run in NumPy, in `full` in Keras; a test proves that both take the same steps. For the strength $\lambda$ we tried 3, 10 and 30 on the rows shown here and kept 10 as the largest that stays stable; treat the EWC lines as slightly favoured.

# %%
from helpers.incremental import Anchor, Networks

seeds = [5 * SEED + k for k in range(5)]
x_all = flat(blocks(pixels, sizes.merge))  # 14 by 14 pixels in full
cut = 2 * len(labels) // 3
fresh = np.random.default_rng([SEED, 3])
classes = [np.random.default_rng([s, 4]).permutation(10).reshape(5, 2) for s in seeds]
first = np.arange(x_all.shape[1])
mixers = [np.random.default_rng([s, 5]) for s in seeds]
pixel_orders = [[first] + [m.permutation(first) for _ in range(4)] for m in mixers]


def part(world, seed, task, rows):  # what a seed's task sees of some rows
    if world == "permuted":
        return x_all[rows][:, pixel_orders[seed][task]], labels[rows]
    rows = rows[np.isin(labels[rows], classes[seed][task])]
    return x_all[rows], labels[rows]


# %%
def tasks(world):
    built = []
    for task in range(5):
        chosen = [part(world, s, task, fresh.permutation(cut)) for s in range(5)]
        built.append([np.stack([pair[k][: sizes.task] for pair in chosen]) for k in (0, 1)])
    return built


def tested(network, world):  # accuracy (seeds, tasks) on held-out rows
    held = np.arange(cut, min(len(labels), cut + 2000))
    sets = [[part(world, s, task, held) for task in range(5)] for s in range(5)]
    return np.array(
        [[network.accuracy(x, y)[s] for x, y in row] for s, row in enumerate(sets)]
    )


# %%
def joined(pairs):
    return [np.concatenate([pair[k] for pair in pairs], axis=1) for k in (0, 1)]


def with_replay(now, memory):
    if not memory:
        return now
    kept = joined(memory)
    return joined([now] + [kept] * max(1, now[0].shape[1] // kept[0].shape[1]))


def anchored(network, x, known):  # Fisher information adds up over the tasks
    fisher = network.fisher(x[:, :200])
    parts = zip(known.importance, fisher, strict=True) if known else ((0, f) for f in fisher)
    return Anchor(network.weights, tuple(a + b for a, b in parts))


# %%
def learned(method, world, stream):
    shape = (x_all.shape[1], sizes.hidden, 10, seeds)
    network, memory, anchor = Networks(*shape, framework=sizes.framework), [], None
    for now in [joined(stream)] if method == "joint" else stream:
        x, y = with_replay(now, memory) if method == "replay" else now
        network.learn(x, y, epochs=sizes.epochs, anchor=anchor, strength=STRENGTH)
        memory.append([values[:, : sizes.memory] for values in now])
        anchor = anchored(network, now[0], anchor) if method == "EWC" else None
    return tested(network, world)


methods, worlds = ("naive", "EWC", "replay", "joint"), ("class by class", "permuted")
streams = {world: tasks(world) for world in worlds}
done = {(w, m): learned(m, w, streams[w]) for w in worlds for m in methods}

# %% tags=["nbval-check-output"]
show_table(
    [{"learning": f"{w}: {m}", "accuracy over all tasks": str(mean_interval(v.mean(axis=1)))}
     for (w, m), v in done.items()],
    "Five seeds: mean and interval at the end",
)
naive, ewc, replay, joint = (done["class by class", m].mean(axis=1) for m in methods)
kept = (replay - naive) / (joint - naive)
claim("Naive forgets: far below joint", np.mean(joint - naive), id="forgets", at_least=0.3, unit="%")
claim("Replay keeps most of it", np.mean(kept), id="replay_keeps", at_least=0.55, unit="%")
low = mean_interval(replay - naive).low
claim("Replay against naive, low end", low, id="replay_low", at_least=0.15, unit="%")
claim("EWC keeps little here", np.mean(ewc - naive), id="ewc_classes", at_most=0.2, unit="%")

# %% tags=["nbval-check-output"]
naive_p, ewc_p, replay_p, joint_p = (done["permuted", m].mean(axis=1) for m in methods)
low = mean_interval(ewc_p - naive_p).low
claim("All classes in each task: EWC helps", low, id="ewc_permuted", above=0, unit="%")
say("Replay there: {a}; EWC: {b}.", a=mean_interval(replay_p), b=mean_interval(ewc_p))
record("replay_accuracy", replay.mean(), "%")
oldest = done["class by class", "naive"][:, 0].mean()
newest = done["class by class", "naive"][:, -1].mean()
claim("The first task is gone", oldest, id="oldest", at_most=0.25, unit="%")
claim("The last one is fine", newest, id="newest", at_least=0.7, unit="%")

# %% tags=["nbval-check-output"]
from helpers.plots import figure, show

with figure() as (drawing, axes):
    for method in methods:
        axes.plot(range(1, 6), done["class by class", method].mean(axis=0), marker="o", label=method)
    axes.set(title="Class by class", xlabel="task, in the order learned", ylabel="accuracy at the end")
    axes.set(xticks=range(1, 6), ylim=(-0.03, 1.03))
    axes.legend()
    show(drawing, "Naive learning keeps the newest task; replay keeps them all.")
share = sizes.memory / sizes.task
claim("The memory is a small share of the rows", share, id="memory_share", at_most=0.15, unit="%")

# %% [markdown]
# Naive fine-tuning is not a little worse; the old classes are gone, because no row says any longer that they exist. EWC protects weights, but nothing in its loss compares an old class with a new one, so it cannot help much class by class; [van de Ven and Tolias 2019](https://arxiv.org/abs/1904.07734) found the same for this whole family. Where each task has all classes it does help. A small memory of rows helps in both worlds, if you may keep them: deletion requests and licences reach the memory, too.
#
# ## When to retrain, and what it costs
#
# Now everything together: streams of 4,000 rows in which the camera is turned for a while and then put right again, at places no policy knows. Predictions come first, then the labels arrive. Five policies:
#
# - **never**; **online**: one gradient step on every batch of 50 (`partial_fit`);
# - **schedule**: refit on the last 300 rows, every 400 rows;
# - **detector**: when ADWIN says the error has *risen*, wait for 300 rows of the new world, refit on them and start a new detector;
# - **detector and replay**: the same, with the original training rows mixed in.

# %%
from sklearn.linear_model import SGDClassifier

base = flat(grids[train])[:500], labels[train][:500]
static = fitted(*base)


def camera(rng, count=4000):  # upright, turned, upright again
    i = rng.choice(np.r_[reference, new], count)
    start_, stop = rng.integers(1000, 1300), rng.integers(2400, 2800)
    place = np.arange(count)
    tilted = (place >= start_) & (place < stop)
    return flat(np.where(tilted[:, None, None], turned(grids[i]), grids[i])), labels[i]


def sgd():
    steps = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, random_state=0)
    for _ in range(20):
        steps.partial_fit(*base, classes=np.arange(10))
    return steps


# %%
class Trigger:  # says after each batch whether to retrain now
    def __init__(self, every=0, wait=300):
        self.every, self.wait, self.due, self.detector = every, wait, None, drift.ADWIN()

    def __call__(self, errors, end):
        if self.every:
            return end % self.every == 0
        for error in errors:
            level = self.detector.estimation
            self.detector.update(int(error))
            if self.detector.drift_detected and self.detector.estimation > level:
                self.due = self.due or end + self.wait
        return self.due is not None and end >= self.due


# %%
def lived(policy, x, y):  # accuracy, retrainings, rows trained on
    current = sgd() if policy == "online" else static
    trigger, right, bill = Trigger(400 if policy == "schedule" else 0), [], []
    for end in range(50, len(x) + 1, 50):
        now = slice(end - 50, end)
        right.append(current.predict(x[now]) == y[now])
        if policy == "online":
            current.partial_fit(x[now], y[now])
        elif policy != "never" and trigger(~right[-1], end):
            last = x[max(0, end - 300) : end], y[max(0, end - 300) : end]
            if policy == "detector and replay":
                last = [np.concatenate(pair) for pair in zip(base, last, strict=True)]
            current, trigger = fitted(*last), Trigger(trigger.every)
            bill.append(len(last[1]))
    return np.mean(right), len(bill), sum(bill)


# %%
policies = ("never", "schedule", "detector", "detector and replay", "online")
days = [camera(np.random.default_rng([SEED, 6, k])) for k in range(5)]
lives = {p: np.array([lived(p, *day) for day in days]) for p in policies}
table = [
    {"policy": p, "accuracy": str(mean_interval(v[:, 0])), "retrainings": v[:, 1].mean(),
     "rows_trained_on": v[:, 2].mean()}
    for p, v in lives.items()
]
show_table(table, "Five streams: mean and interval", retrainings=".1f", rows_trained_on=",.0f")

# %% tags=["nbval-check-output"]
never, schedule, on_alarm, with_memory, online = (lives[p] for p in policies)
low = mean_interval(on_alarm[:, 0] - never[:, 0]).low
claim("Retraining on alarm beats never", low, id="alarm_gain", at_least=0.03, unit="%")
fewer = on_alarm[:, 1].mean() / schedule[:, 1].mean()
claim("It retrains far less often", fewer, id="alarm_fewer", at_most=0.6, unit="%")
low = mean_interval(with_memory[:, 0] - on_alarm[:, 0]).low
claim("Old rows in the refit pay", low, id="memory_pays", above=0, unit="%")
extra = 4000 * (schedule[:, 0] - on_alarm[:, 0]).mean()
price = extra / (schedule[:, 1] - on_alarm[:, 1]).mean()
record("break_even", price, "wrong answers")
say("Schedule against detector: one more retraining saves {p:.0f} wrong answers.", p=price)

# %% [markdown]
# The last sentence is the decision. If a retraining, with its review and roll-out, costs less than that many wrong answers, the schedule wins; if it costs more, the detector does. A negative number means that the schedule loses at any price. The detector with replay does better than without: when the camera is put right again, it still knows the old world. Online learning has no retrainings to count, but every batch needs labels at once, nobody reviews the steps, and there is no version to return to unless you save one.
#
# ## Replace the model only if it wins
#
# The listing that circulates for "continuous improvement" deploys B if `performance_b > performance_a`. How often does that replace a model by one that is no better? Champion and challengers below are trained alike, on other draws of the same rows, and compared on 200 rows. The gate asks for a paired interval above zero instead ([chapter 01](01_evaluation.ipynb)).

# %% tags=["nbval-check-output"]
from helpers.intervals import paired_difference


def another(rng):
    i = rng.choice(train[:500], 300, replace=False)
    return fitted(flat(grids[i]), labels[i])


rng, higher, gated = np.random.default_rng([SEED, 7]), [], []
for _ in range(30):
    i = rng.choice(np.r_[reference, new], 200, replace=False)
    a, b = (another(rng).predict(flat(grids[i])) == labels[i] for _ in range(2))
    higher.append(b.mean() > a.mean())
    gated.append(paired_difference(b, a, repeats=200).low > 0)
claim("'Higher' promotes equals", np.mean(higher), id="higher", at_least=0.2, unit="%")
claim("The gate rarely does", np.mean(gated), id="gated", at_most=0.15, unit="%")

# %% [markdown]
# Each promotion without reason is a risk taken for nothing. The gate has a second half: the challenger must also hold on a fixed set of *old* rows, or it has been promoted for forgetting.
#
# ## The trap
#
# First: "adjust the distribution" with `(1 - alpha) * x + alpha * y`, the average of old and new rows. An average of two pictures is neither of them, and its label is that of the old one. The runs of the section on weights included it, with the listing's `alpha=0.1` and with one half.
#
# Second: a callback for "incremental learning" whose `on_epoch_end` calls `update_model(...)`, a function that nobody has written. Python looks names up when a line runs, so the listing loads, starts and fails after the first epoch. Suppose it existed: the callback then assigns its result to its own attribute `self.model`. We call it from a plain training loop, as Keras would, so the example needs no Keras.

# %% tags=["nbval-check-output"]
names = {"as it was": plain, "average, a tenth": tenth, "average, half": middle}
rows_ = [{"training": k, "accuracy in the field": str(mean_interval(v))} for k, v in names.items()]
show_table(rows_, "Averaging old and new rows, five draws")
gain, loss = np.mean(tenth - plain), np.mean(plain - middle)
claim("A tenth of averaging gains nothing", gain, id="average_tenth", at_most=0.03, unit="%")
claim("Half of it does harm", loss, id="average_half", at_least=0.05, unit="%")


# %%
class IncrementalLearning:
    def on_epoch_end(self, epoch):
        self.model = update_model(self.model)


def fit(trained, callback, epochs=5):  # the loop of any library
    callback.model = trained
    for epoch in range(epochs):
        trained.partial_fit(*base, classes=np.arange(10))
        callback.on_epoch_end(epoch)
    return trained


def epochs_of(trained):  # scikit-learn counts the rows it has stepped on
    return (trained.t_ - 1) / len(base[1])


# %% tags=["nbval-check-output"]
broken, callback = SGDClassifier(loss="log_loss", random_state=0), IncrementalLearning()
try:
    fit(broken, callback)
except NameError as error:
    say("After epoch {n:.0f}: {error}.", n=epochs_of(broken), error=error)
claim("It fails after one epoch of work", epochs_of(broken), id="callback_fails", equals=1)


def update_model(old_model):  # "exists" now, and returns something else
    return static


ended = fit(SGDClassifier(loss="log_loss", random_state=0), callback)
claim("The update never reaches the training", ended is callback.model, id="rebound", equals=0)

# %% [markdown]
# The repaired callback runs to the end and changes nothing: the loop goes on training the model that it holds, and the "updated" one hangs on an attribute that nobody reads. Continual learning is not a callback inside one `fit`. It is a decision between runs: which rows, which start, which test, which version.
#
# ## At large-model scale
#
# **Does a language model forget, too?** A small one can be measured here: it predicts the next character from the last four, in the manner of [Bengio et al. 2003](https://www.jmlr.org/papers/v3/bengio03a.html). It learns Python's help texts, then continues on Python source code, with a share of the old text in the mix. We read bits per character on held-out parts of both. More replay keeps more of the old text; what it costs on the new is the second number.
#
# **What does an update cost?** Training takes about $6ND$ floating-point operations for $N$ weights and $D$ tokens ([Kaplan et al. 2020](https://arxiv.org/abs/2001.08361)). Take $N = 7 \cdot 10^9$, $10^{11}$ new tokens, and $4 \cdot 10^{14}$ useful operations a second on one accelerator (an assumption; chapter 15 measures such shares). The update is $6 \cdot 7 \cdot 10^9 \cdot 10^{11} = 4.2 \cdot 10^{21}$ operations, $1.05 \cdot 10^7$ seconds, about 2,900 hours of one accelerator. From scratch on $2 \cdot 10^{12}$ old tokens and the new ones it is $8.8 \cdot 10^{22}$, twenty-one times as much. If one token in twenty is an old one, the new ones still all seen, the update grows by a factor of $1 / 0.95 = 1.053$. That is cheap insurance. [Ibrahim et al. 2024](https://arxiv.org/abs/2403.08763) find that re-warming the learning rate, decaying it again and replaying some old data comes close to training anew on everything; the stronger the shift, the more replay.
#
# **Facts go stale faster than skills.** For facts that change daily, retrieval puts the new text into the prompt and trains nothing. Weights are for skills, style and domains that stay.

# %%
import importlib
import inspect

from helpers.data import text

modules = ("argparse", "csv", "difflib", "shutil", "textwrap")
sources = "\n".join(inspect.getsource(importlib.import_module(name)) for name in modules)
symbols = "\n abcdefghijklmnopqrstuvwxyz.,()_=:'\"#-"  # any other character is number 0
number = {symbol: k for k, symbol in enumerate(symbols, start=1)}
help_codes, code_codes = (
    np.array([number.get(c, 0) for c in long.lower()]) for long in (text("python_docs"), sources)
)


def contexts(codes, places):  # four characters as one-hot rows, and the next one
    four = codes[places[..., None] + np.arange(4)]
    hot = np.eye(len(symbols) + 1, dtype=np.float32)[four]
    return hot.reshape(*places.shape, 4 * hot.shape[-1]), codes[places + 4]


# %%
rng = np.random.default_rng([SEED, 8])


def places(codes, many, held=False):  # the last fifth is held out
    low, high = (0.82, 1) if held else (0, 0.8)
    return rng.integers(int(low * len(codes)), int(high * len(codes)) - 5, many)


def bits(network, codes, spots):
    x, y = contexts(codes, spots)
    logits = network.logits(x)
    true = np.take_along_axis(logits, np.broadcast_to(y, logits.shape[:2])[..., None], axis=2)
    return (np.logaddexp.reduce(logits, axis=2) - true[..., 0]).mean(axis=1) / np.log(2)


# %%
old_rows, new_rows = places(help_codes, (5, 15000)), places(code_codes, (5, 8000))
held = [(codes, places(codes, 4000, held=True)) for codes in (help_codes, code_codes)]
width = len(symbols) + 1
speaker = Networks(4 * width, 64, width, seeds, learning_rate=0.2, batch=64)
speaker.learn(*contexts(help_codes, old_rows), epochs=2)
begun, start_bits = speaker.weights, [bits(speaker, *pair) for pair in held]
after = {}
for share in (0.0, 0.05, 0.25, 0.5):
    speaker.weights, count = begun, int(share * 8000)
    mixed = (contexts(code_codes, new_rows[:, count:]), contexts(help_codes, old_rows[:, :count]))
    speaker.learn(*joined(mixed), epochs=2)
    after[share] = [bits(speaker, *pair) for pair in held]

# %% tags=["nbval-check-output"]
forgot = {share: mean_interval(now[0] - start_bits[0]) for share, now in after.items()}
learnt = {share: mean_interval(start_bits[1] - now[1]) for share, now in after.items()}
table = [
    {"replay": f"{k:.0%}", "old text, bits lost": str(forgot[k]), "code, bits won": str(learnt[k])}
    for k in after
]
show_table(table, "Bits per character, five seeds: mean and interval")
claim("Without replay it forgets", forgot[0.0].low, id="speaker_forgets", above=0.05, unit="bits")
part_left = forgot[0.25].estimate / forgot[0.0].estimate
claim("A quarter of replay halves that", part_left, id="speaker_replay", at_most=0.6, unit="%")
price = 1 - learnt[0.25].estimate / learnt[0.0].estimate
claim("At a small price on the new", price, id="speaker_price", at_most=0.3, unit="%")

# %% [markdown]
# ## Exercises
#
# ### Exercise 17.1: weights from a domain classifier
#
# Write `weights(p_field, old_rows, field_rows)`: the density ratio of each old row. `p_field` are the classifier's probabilities that a row comes from the field; it was trained on `old_rows` old rows and `field_rows` rows from the field. Return the ratio itself, not normalised.
#
# <details><summary>Hint</summary>
#
# With equal densities everywhere the classifier answers `field_rows / (old_rows + field_rows)`; the weight must then be 1.
#
# </details>

# %% tags=["exercise"]
def weights(p_field, old_rows, field_rows):
    """Density ratio, field over training, one for each probability."""
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import continual_learning as check

check.weights(weights)


# %% tags=["solution", "hide-cell"]
def weights(p_field, old_rows, field_rows):
    return p_field / (1 - p_field) * old_rows / field_rows


check.weights(weights)

# %% [markdown]
# ### Exercise 17.2: judge a detector
#
# Write `verdict(alarms, change)`: two values, the number of false alarms and the delay. `alarms` are row numbers in ascending order, `change` is the number of the first changed row. An alarm on that very row has a delay of one row. Without an alarm after the change the delay is `None`.

# %% tags=["exercise"]
def verdict(alarms, change):
    """Number of false alarms, and the delay in rows or None."""
    raise NotImplementedError


# %% tags=["check"]
check.verdict(verdict)


# %% tags=["solution", "hide-cell"]
def verdict(alarms, change):
    true_ones = [row for row in alarms if row >= change]
    late = true_ones[0] + 1 - change if true_ones else None
    return len(alarms) - len(true_ones), late


check.verdict(verdict)

# %% [markdown]
# ### Exercise 17.3: a fair memory
#
# Write `reservoir(rows, size, rng)`: a list of at most `size` rows of a stream whose length nobody knows, in which every row has the same chance to be ([Vitter 1985](https://doi.org/10.1145/3147.3165)). `rows` can be read only once; `rng` is a NumPy random generator.
#
# <details><summary>Hint</summary>
#
# Row number $n$, counted from 1, enters with probability `size / n` and then takes a random place.
#
# </details>

# %% tags=["exercise"]
def reservoir(rows, size, rng):
    """List of the kept rows."""
    raise NotImplementedError


# %% tags=["check"]
check.reservoir(reservoir)


# %% tags=["solution", "hide-cell"]
def reservoir(rows, size, rng):
    memory_ = []
    for count, row in enumerate(rows):
        seat = count if count < size else int(rng.integers(count + 1))
        if count < size:
            memory_.append(row)
        elif seat < size:
            memory_[seat] = row
    return memory_


check.reservoir(reservoir)

# %% [markdown]
# ## Quiz
#
# Open a choice to see whether it is right, and why.

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("17_continual_learning")

# %% [markdown]
# ## What the interviewer asks next
#
# **"PSI is above the limit. Do you retrain?"** Not yet. I ask what changed in the pipeline, label a small sample of the new rows and compare the error with its interval. PSI says where to look, not what to do.
#
# **"Labels arrive after a month."** Then the delay of any error detector is a month and more. I buy a small random sample of labels now, watch proxies such as corrections and complaints, and keep input alarms as a reason to look, with limits set on quiet months.
#
# **"Why not fine-tune every night on yesterday's data?"** Because the model drifts towards yesterday and forgets what yesterday did not contain. I mix in a memory of old rows, test on a fixed old set and on the new one, and keep every version.
#
# **"You may not store user rows."** Then replay needs public or generated rows, or a penalty such as EWC or distillation from the old model. I would measure how much of replay's gain it keeps; class by class it was little.
#
# **"How do you find out what to improve next?"** By error analysis: slice the errors by source, class and time, label what is worst, and check the repair with the gate. An A/B test then decides whether users notice; that is chapter 28.
#
# | Answer | How it sounds |
# |---|---|
# | Weak | "Retrain regularly with the newest data." No detector, no old test set, no price. |
# | Good | Monitoring of inputs and error, a threshold, retraining on a schedule, A/B test before the switch. |
# | Strong | Says which kind of drift; labels a sample; counted delay and false alarms; replay and an old test set against forgetting; a trigger chosen by its price; a gate with a paired interval. |
#
# ## Takeaways
#
# - Input alarms say that something changed, not that it hurts. Confidence can rise while the model fails.
# - Judge a detector over many streams: delay and false alarms together.
# - Read the drift flag after every update.
# - Importance weights need no new labels, but old rows that cover the new ones; look at the effective sample size.
# - Fine-tuning on new rows alone forgets. A small replay memory keeps most; EWC depends on the scenario.
# - A retrain trigger is a price: wrong answers saved for each retraining.
# - Promote a model only if it wins by more than chance, on old rows as well.
#
# ## References
#
# - Bifet and Gavaldà 2007, [Learning from time-changing data with adaptive windowing](https://doi.org/10.1137/1.9781611972771.42)
# - Gama et al. 2014, [A survey on concept drift adaptation](https://doi.org/10.1145/2523813)
# - Rabanser, Günnemann and Lipton 2019, [Failing loudly: detecting dataset shift](https://arxiv.org/abs/1810.11953)
# - Shimodaira 2000, [Improving predictive inference under covariate shift](https://doi.org/10.1016/S0378-3758%2800%2900115-4)
# - Kirkpatrick et al. 2017, [Overcoming catastrophic forgetting](https://doi.org/10.1073/pnas.1611835114)
# - van de Ven and Tolias 2019, [Three scenarios for continual learning](https://arxiv.org/abs/1904.07734)
# - Vitter 1985, [Random sampling with a reservoir](https://doi.org/10.1145/3147.3165)
# - Ibrahim et al. 2024, [Strategies to continually pre-train large language models](https://arxiv.org/abs/2403.08763)
