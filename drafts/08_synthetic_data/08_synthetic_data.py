# %% [markdown]
# # 08 Augmentation and synthetic data
#
# > **The interviewer asks:** You have ten labelled images per class and no budget for a thousand. What do you do to the data, what do you generate, what do you fetch or have labelled? And how do you know that any of it helped?
# >
# > **面试官问：** 每个类别只有十张带标签的图片，没有预算再标一千张。你会对数据做哪些变换，生成什么，从哪里采集，又让谁来标注？怎么证明这些做法真的有用？
#
# Questions answered here: A19, P18, F12, D2
#
# **What you will be able to say**
#
# - which changes of an image keep its label, how to test that, and what they are worth when labels are few;
# - why editing words is weaker than moving pixels;
# - how a DCGAN is trained, and how far its images are from real ones, with the extractor and the sample size stated;
# - when synthetic rows are worth training on, and when they only repeat what the generator was given;
# - where data come from: licences, robots.txt, several people and their agreement.
#
# **Prerequisites:** [chapter 01](01_evaluation.ipynb) for intervals, [chapter 09](09_cnn.ipynb) for convolutions.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("08_synthetic_data")

# %% [markdown]
# ## Sixty-second answer
#
# Augmentation states a belief: *this change does not change the label*. Small shifts, turns and changes of size keep a digit a digit, so with few labels they raise accuracy. Mirroring does not, and it costs accuracy. So I test each change on its own, over several draws of the labelled rows, and I augment the training part only. Texts are harder: a bag of words does not see a change of order, and edits that keep the meaning need a model that knows meaning.
#
# A DCGAN learns images from the play of two networks: one draws, the other tells drawn from real. I judge it by a Frechet distance with stated extractor and sample size, by looking, and by training on its samples and testing on real rows. Its samples hold no label that it was not given: it does not replace labels. For those I look at public sets and their licences, at what robots.txt allows, and at several people per item, with their agreement beyond chance and votes weighted by skill.

# %% tags=["parameters"]
PROFILE: str = ""  # quick, full or gpu; empty: $COURSE_PROFILE, else quick
SEED: int = 0  # draws of rows, changes, initial weights and noise
DATASET: str = ""  # grey images in ten classes; empty: what the profile says
PER_CLASS: int = 5  # labelled rows of each class in the low-label experiments
DRAWS: int = 0  # draws of the labelled rows; 0: what the profile says
EPOCHS: int = 0  # passes of the GAN over the pool; 0: what the profile says

# %% [markdown]
# ## The data
#
# Handwritten digits: tiny ones from scikit-learn in `quick`, MNIST in `full`. The *pool* is all that we may learn from; the labelled rows are drawn from it. The test rows are real and stay as they are.

# %%
import numpy as np

from helpers import data
from helpers.evidence import claim, say, start

run = start("08_synthetic_data", PROFILE, SEED)
what = {"dataset": DATASET or ("digits", "mnist", "mnist"), "draws": DRAWS or (20, 10, 10)}
what |= {"documents": ("docstrings", "movie_reviews", "movie_reviews"), "shift": (0.75, 2.0, 2.0)}
net = dict(filters=(16, 24, 64), critic=(32, 32, 64), noise=(8, 32, 64))
net |= {"epochs": EPOCHS or (12, 10, 20), "batch": (32, 64, 128), "rate": (2e-3, 2e-3, 1e-3)}
sizes = run.sizes(**what, **net, pool=(0, 10_000, 0), test=(500, 2000, 5000))
images = data.load(sizes.dataset).subset(train=sizes.pool or None, test=sizes.test, seed=0)
x, x_test, y, y_test = images.x_train[..., 0], images.x_test[..., 0], images.y_train, images.y_test
print(images.describe())

# %% [markdown]
# ## Move, turn, resize, mirror
#
# What does a change do to an image? `warp` works backwards: for each pixel of the *result* it asks where in the *input* that pixel comes from, and interpolates between the four neighbours there. Working forwards would leave holes. Keras has the same as layers (`RandomRotation`, `RandomTranslation`, `RandomZoom`, `RandomFlip`); the older `ImageDataGenerator` is deprecated.
#
# *Does the change keep the label?* That can be tested before any training on it: a *judge*, trained on the labelled pool, reads the test digits before and after. *Does it help?* A few labelled rows of each class, eight changed copies of each, the same model with and without. One draw of the labelled rows is luck, so we take many, and each is compared with itself: a *paired* difference, with an interval over the draws.

# %%
from helpers.augmentation import few_of_each, flip, warp
from helpers.plots import figure, show

moves = {"shift": {"shift": sizes.shift}, "turn": {"degrees": 12}}
moves["all small"] = {"degrees": 12, "shift": sizes.shift, "scale": 0.1}
ways = {name: lambda x, draw, move=move: warp(x, draw, **move) for name, move in moves.items()}
ways["mirror"] = flip
fours, dice = np.repeat(x[y == 4][:1], 5, axis=0), np.random.default_rng(1)
with figure(columns=4, width=7, height=4) as (drawing, axes):
    for ax, (name, way) in zip(axes, ways.items(), strict=True):
        ax.imshow(np.concatenate(way(fours, dice)), cmap="gray")
        ax.set(title=name, xticks=[], yticks=[])
    show(drawing, "One four, five times under each change.", alt="One digit, " + ", ".join(ways))

# %% tags=["nbval-check-output"]
from sklearn.svm import SVC

from helpers.tables import show_table


def flat(x):
    return np.reshape(x, (len(x), -1))


judge, draw = SVC(C=10).fit(flat(x[:4000]), y[:4000]), np.random.default_rng([SEED, 1])
views = {"still": x_test, "mirror": x_test[..., ::-1], "all small": ways["all small"](x_test, draw)}
kept = {name: judge.predict(flat(view)) == y_test for name, view in views.items()}
by_digit = {n: [hit[y_test == c].mean() for c in range(10)] for n, hit in kept.items()}
rows = [{"change": n} | dict(zip("0123456789", row, strict=True)) for n, row in by_digit.items()]
show_table(rows, "Share of each digit that is read", **dict.fromkeys("0123456789", ".2f"))
gap = kept["all small"].mean() - kept["mirror"].mean()
claim("Small moves keep labels, mirroring does not", gap, id="labels_kept", at_least=0.2, unit="%")

# %%
from helpers.augmentation import with_copies
from helpers.evaluation import bootstrap_interval


def accuracy(rows, labels, weights=None):
    return SVC(C=10).fit(flat(rows), labels, weights).score(flat(x_test), y_test)


def few(turn):
    return few_of_each(y, PER_CLASS, np.random.default_rng([SEED, 2, turn]))


base = np.array([accuracy(x[few(turn)], y[few(turn)]) for turn in range(sizes.draws)])


def gain(way, turn):
    draw = np.random.default_rng([SEED, 3, turn])
    more = with_copies(x[few(turn)], y[few(turn)], lambda rows: way(rows, draw), 8)
    return accuracy(*more) - base[turn]


# %% tags=["nbval-check-output"]
turns, rows, pairs = range(sizes.draws), [], {}
for name, way in ways.items():
    found = np.array([gain(way, turn) for turn in turns])
    pairs[name] = p = bootstrap_interval(np.mean, 100 * found, seed=SEED)
    rows.append({"change": name, "points": p.estimate, "from": p.low, "to": p.high})
form = dict.fromkeys(("points", "from", "to"), "+.1f")
show_table(rows, "Gain in points of accuracy, with its 95 % interval over the draws", **form)
say("{n} draws; without augmentation {b:.1%} is right.", n=len(base), b=base.mean())
low, high = pairs["all small"].low, pairs["mirror"].high
claim("Small moves and turns raise accuracy", low, id="small_moves", above=0, unit="points")
claim("Mirroring digits lowers it", high, id="mirror_hurts", below=0, unit="points")

# %% [markdown]
# The mirror is harmless for the symmetric digits and ruinous for the others. The strengths were set after eight settings had been tried by eye on these data sets, so the gain is a little flattered; the direction is not. Two rules follow. The changes come from knowledge of the *task*: mirroring is right for cats and wrong for digits. And they are applied inside the training part, never before the split, or copies of one image stand on both sides ([chapter 03](03_generalization.ipynb)).
#
# ## Mixup
#
# Mixup blends two rows and their labels: $\tilde x = s x_a + (1-s) x_b$, and the label is $s$ of class $a$ and $1-s$ of class $b$ ([Zhang et al. 2017](https://arxiv.org/abs/1710.09412)). A learner that knows no soft labels can still do it: list the blended row twice, with weights $s$ and $1-s$. For the cross-entropy that is not an approximation, as the first claim checks.

# %% tags=["nbval-check-output"]
from helpers.augmentation import mixup

draw = np.random.default_rng([SEED, 4])
mixed, labels, weights = mixup(x[few(0)], y[few(0)], draw, copies=4)
half, scores = len(mixed) // 2, draw.normal(size=(len(mixed) // 2, 10))
logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
one, two = np.eye(10)[labels[:half]], np.eye(10)[labels[half:]]
soft = one * weights[:half, None] + two * weights[half:, None]
listed = -(np.tile(logs, (2, 1))[np.arange(2 * half), labels] * weights).sum()
off = abs(listed + (soft * logs).sum()) / listed
claim("Weights are soft labels", off, id="mixup_exact", at_most=1e-12)
blend = [accuracy(*mixup(x[few(t)], y[few(t)], draw, copies=4)) - base[t] for t in turns[:5]]
say("Mixup with this model: {g:+.2f} points.", g=100 * np.mean(blend))

# %% [markdown]
# Mixup was made for large networks, which it keeps from being sure between the classes. A support vector machine has a margin of its own, so read the sentence above before you promise anything: a recipe's gain belongs to the model and the data it was measured on.
#
# ## Words instead of pixels
#
# Do edits of words help as moves of pixels do? The labelled rows are a few texts of each class, cut to their first words; the model sees counts of words, weighted (TF-IDF), and draws a line. *Delete* leaves out words at random, *shuffle* changes their order, and *reverse* spells words backwards, a recipe that circulates.

# %%
from helpers.augmentation import edit_words, first_words, text_gains

docs, found = data.documents(sizes.documents), []
texts, topics = first_words(docs.texts_train, 60), docs.labels_train
tests = first_words(docs.texts_test, 60), docs.labels_test
for turn in range(6):
    draw = np.random.default_rng([SEED, 5, turn])
    pick = few_of_each(topics, 20, draw)
    found.append(text_gains([texts[i] for i in pick], topics[pick], *tests, draw))
gains = {how: 100 * np.mean([one[how] for one in found]) for how in found[0]}
show_table([gains], "Gain in points, the mean of six draws", **dict.fromkeys(gains, "+.2f"))

# %% [markdown]
# None of these edits is worth what a small shift is worth to an image. That is no accident. A shifted digit shows pixels that were not on before; a text with words left out shows nothing new. What can help needs knowledge from outside: synonyms, back-translation, a paraphrase by a language model, and each has to be tested as above. [Wei and Zou 2019](https://arxiv.org/abs/1901.11196) found gains from simple edits with neural readers on small sets. Unlabelled text is usually worth more (chapter 12).
#
# ## A ruler for generated images
#
# Before the generator, the ruler. The *Frechet distance* describes each set of images by mean and covariance of features and measures between two Gaussians: $|m_a-m_b|^2 + \mathrm{tr}(A + B - 2(AB)^{1/2})$. The famous FID takes its features from an Inception network trained on photographs. Ours is **a classifier of digits with 64 hidden units, trained on the pool**; a distance means nothing without saying so. The helper takes the trace of the root from eigenvalues; SciPy takes the root itself.
#
# The ruler has a flaw: on few samples it reads too much, since a covariance of that many features from a handful of images is mostly noise. Two samples of *real* images should be at distance zero. The cell prints what they read.

# %% tags=["nbval-check-output"]
from scipy.linalg import sqrtm

from helpers.generative import classifier_features, frechet_distance

features, network = classifier_features(x, y, units=64, seed=SEED)
order, real = np.random.default_rng([SEED, 6]).permutation(len(x)), features(x_test)
a, b = np.random.default_rng(SEED).normal(size=(2, 300, 6)) * [[[1]], [[2]]] + [[[0]], [[1]]]
middle, (A, B) = np.sum((a.mean(0) - b.mean(0)) ** 2), (np.cov(a.T), np.cov(b.T))
off = frechet_distance(a, b) / (middle + np.trace(A + B - 2 * sqrtm(A @ B).real)) - 1
claim("Eigenvalues and SciPy's root agree", abs(off), id="frechet_by_hand", at_most=1e-6)
bias = {n: frechet_distance(features(x[order[:n]]), real[:n]) for n in (80, 160, 500)}
rows = [{"images": f"{n}", "distance": value} for n, value in bias.items()]
show_table(rows, "Two samples of real images", distance=".2f")
claim("Few samples inflate it", bias[80] / bias[500], id="sample_bias", at_least=2, unit="x")

# %% [markdown]
# So two distances can be compared only at the same sample size, and a distance near that of real against real is as good as this ruler can see.
#
# ## A DCGAN, trained for real
#
# Two networks, after [Radford et al. 2015](https://arxiv.org/abs/1511.06434). The *generator* turns noise into an image: a dense layer, then transposed convolutions with stride two, batch normalization and ReLU. The *discriminator* halves the image twice, with strides instead of pooling and leaky ReLU, and gives one logit: real or drawn. We also hand both of them the class, the generator as ten more inputs and the discriminator as ten more channels ([Mirza and Osindero 2014](https://arxiv.org/abs/1411.1784)): then we can ask for a digit, and the samples come with labels. Leave the ten out, and it is the plain DCGAN.
#
# *How do they play?* The discriminator learns to say real to real images and drawn to drawn ones. The generator learns to make it say real. Each must learn from its own term only. `stop_gradient` keeps the discriminator's lesson away from the generator. The generator's term shows the drawings with gradient and *subtracts* the same term without: zero in value, and for the discriminator zero in gradient too, so only the generator feels it. With this, one `fit` trains both, on every backend. There is no dropout in the discriminator, or the two passes would differ.

# %%
from helpers.training import prepare_keras

print(prepare_keras(run))
import keras
from keras import layers, ops

side, k, half = x.shape[1], sizes.filters, dict(kernel_size=4, strides=2, padding="same")


def build_generator():
    def norm():
        return [layers.BatchNormalization(momentum=0.9), layers.ReLU()]

    stack = [keras.Input((sizes.noise + 10,)), layers.Dense((side // 4) ** 2 * 2 * k), *norm()]
    stack += [layers.Reshape((side // 4, side // 4, 2 * k)), layers.Conv2DTranspose(k, **half)]
    stack += [*norm(), layers.Conv2DTranspose(1, activation="sigmoid", **half)]
    return keras.Sequential(stack)


# %%
class GAN(keras.Model):
    def __init__(self, generator):
        super().__init__()
        see = [keras.Input((side, side, 11)), layers.Conv2D(sizes.critic, **half)]
        see += [layers.LeakyReLU(0.2), layers.Conv2D(2 * sizes.critic, **half)]
        see += [layers.LeakyReLU(0.2), layers.Flatten(), layers.Dense(1)]
        self.generator, self.discriminator = generator, keras.Sequential(see)
        self.dice = keras.random.SeedGenerator(SEED)

    def call(self, inputs, training=False):
        return play(self, *inputs, training)


# %%
def play(gan, real, label, training):  # logits (batch, 3): real, drawn, drawn with gradient
    hot, length = ops.one_hot(label, 10), 8 / sizes.noise**0.5
    z = length * keras.random.normal((ops.shape(real)[0], sizes.noise), seed=gan.dice)
    drawn = gan.generator(ops.concatenate([z, hot], axis=1), training=training)
    planes = ops.tile(ops.ones_like(real) * hot[:, None, None, :], (3, 1, 1, 1))
    shown = ops.concatenate([real, ops.stop_gradient(drawn), drawn], axis=0)
    logits = gan.discriminator(ops.concatenate([shown, planes], axis=-1), training=training)
    return ops.stack(ops.split(logits[:, 0], 3), axis=1)


def game(_, logits):  # softplus(-t) is the cross-entropy of the answer "real"
    real, drawn, lesson = logits[:, 0], logits[:, 1], logits[:, 2]
    return ops.softplus(-real) + ops.softplus(drawn) + ops.softplus(-lesson) - ops.softplus(-drawn)


# %% tags=["nbval-check-output"]
from helpers.adversarial import draw_images

generator = build_generator()
gan, asked, xla = GAN(generator), np.arange(len(y_test)) % 10, keras.backend.backend() == "jax"
before = frechet_distance(features(draw_images(generator, asked, [SEED, 7])), real)
adam = keras.optimizers.Adam(sizes.rate, beta_1=0.5, use_ema=True, ema_momentum=0.98)
gan.compile(adam, game, jit_compile=xla, steps_per_execution=8)
gan.fit((x[..., None], y), y, batch_size=sizes.batch, epochs=sizes.epochs, verbose=0)
drawn = draw_images(generator, asked, [SEED, 7])
after, floor = (frechet_distance(features(s), real) for s in (drawn, x[order[: len(real)]]))
say("Untrained {u:.1f}, trained {t:.2f}, real {f:.2f}.", u=before, t=after, f=floor)
claim("Training brings it below a third", after / before, id="gan_frechet", at_most=1 / 3)

# %% tags=["nbval-check-output"]
from helpers.generative import nearest_distances, sheet, spread_within_classes

alt = "Two grids of digits, a column for each class: real test images, and the generator's."
with figure(columns=2, width=8, height=4) as (drawing, axes):
    for ax, *pair in zip(axes, ("real", "drawn"), (x_test, drawn), (y_test, asked), strict=True):
        ax.imshow(sheet(*pair[1:]), cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], title=pair[0])
    show(drawing, "Real and drawn digits, a column for each class.", alt=alt)
near, usual = (np.median(nearest_distances(stack, x)) for stack in (drawn, x_test))
spread = spread_within_classes(drawn, asked) / spread_within_classes(x_test, y_test)
say("Nearest: {n:.2f}, real {u:.2f}. Spread: {s:.0%} of real.", n=near, u=usual, s=spread)
read = np.mean(judge.predict(flat(drawn)) == asked)
claim("The judge reads what was asked for", read, id="reads_as_asked", at_least=0.6, unit="%")

# %% [markdown]
# Three looks, because each alone can be fooled. The *judge* is another model than the extractor and has never seen a drawing. The *distance to the nearest training image* would be near zero for copies. The *spread* within classes falls when the generator draws nearly the same picture for each request: *mode collapse*, which a judge of single images cannot see. Two things kept ours from collapsing further: noise that is long next to the one-hot class, and a discriminator wider than the generator. About a dozen settings were tried.
#
# ## Is it worth training on?
#
# Train on synthetic, test on real. Four training sets: real rows and drawn rows in equal number; few labelled real rows; and those few with drawn ones added.
#
# Then the question that interviewers like: where would a gain over the few rows come from? This generator had seen the labels of the *whole pool*. Whoever has those labels does not have few, and the fair rival is the first column of the table. What if the generator gets only what the learner has? A network cannot be trained on so few rows, so the second cell takes a generator that can: a Gaussian around each class, with the covariance that the classes share.

# %% tags=["nbval-check-output"]
n = min(1000, len(x))
wanted, some = np.arange(n) % 10, order[:n]
extra = draw_images(generator, wanted, [SEED, 8])
scores = {"real": accuracy(x[some], y[some]), "drawn": accuracy(extra, wanted)}
scores["few real"], both = base[:5].mean(), []
for turn in turns[:5]:
    rows = few(turn)
    both.append(accuracy(np.append(x[rows], extra, axis=0), np.append(y[rows], wanted)))
scores["few real and drawn"] = np.mean(both)
show_table([scores], "Accuracy on real rows", **dict.fromkeys(scores, ".3f"))
short = scores["real"] - scores["drawn"]
claim("Drawn rows teach less than real ones", short, id="tstr_gap", at_least=0.03, unit="%")

# %% tags=["nbval-check-output"]
from sklearn.covariance import LedoitWolf

honest, wanted = [], np.arange(400) % 10
for turn in turns[:5]:
    rows, draw = few(turn), np.random.default_rng([SEED, 9, turn])
    means = np.stack([flat(x[rows])[y[rows] == c].mean(axis=0) for c in range(10)])
    shape = np.linalg.cholesky(LedoitWolf().fit(flat(x[rows]) - means[y[rows]]).covariance_)
    made = means[wanted] + draw.normal(size=(400, side**2)) @ shape.T
    joined = np.append(flat(x[rows]), made, axis=0), np.append(y[rows], wanted)
    honest.append(accuracy(*joined) - base[turn])
told = scores["real"] - base.mean() - np.mean(honest)
say("Rows drawn from the few alone: {h:+.2f} points.", h=100 * np.mean(honest))
claim("New labels beat rows made from the few", told, id="labels_worth", at_least=0.05, unit="%")

# %% [markdown]
# A generator passes on a belief or other people's data. It makes no information. It pays where it knows something that the labelled rows do not: it was trained on much unlabelled data, it is a simulator with physics inside, or it may be shared where the real rows may not. For that last case, samples are not private by themselves (chapter 25).
#
# ## Obtaining data: sets, licences, robots.txt
#
# First look for what exists. "Public" is not a licence: without a stated one, nothing is granted. `BY` asks for the name, `SA` for the same licence on what you derive, `NC` forbids commercial use. The first cell lists what the data sets of this course state.
#
# Then the web. Before fetching a page, a crawler reads the site's `robots.txt`. [RFC 9309](https://www.rfc-editor.org/rfc/rfc9309) says that the *longest* matching rule decides. Python's `urllib.robotparser` has long taken the *first* one that matches; newer versions may follow the standard. The second cell applies the standard's rule by hand and asks Python about two files that differ in the order of their lines alone.

# %% tags=["nbval-check-output"]
rows = [{"data set": item.name, "licence": item.licence} for item in data.catalogue()]
show_table(rows, "Data sets of the course and their licences")
unclear = sum(item.licence.lower().startswith("none") for item in data.catalogue())
claim("Public does not mean licensed", unclear, id="unlicensed", at_least=1, unit="data sets")

# %% tags=["nbval-check-output"]
from urllib.robotparser import RobotFileParser

rules = [("Disallow", "/"), ("Allow", "/open/"), ("Disallow", "/open/private/")]
longest, answers = sorted(rules, key=lambda rule: -len(rule[1])), {}
paths = ("/", "/open/a", "/open/private/a")
for name, lines in {"as written": rules, "longest first": longest}.items():
    (parser := RobotFileParser()).parse(["User-agent: *", *(f"{v}: {p}" for v, p in lines)])
    answers[name] = [parser.can_fetch("course", path) for path in paths]
fits = [next(verdict for verdict, start in longest if path.startswith(start)) for path in paths]
standard = [verdict == "Allow" for verdict in fits]
say("Standard {s}; Python {a}.", s=standard, a=answers)
claim("Longest first, all agree", answers["longest first"] == standard, id="robots", equals=1)

# %% [markdown]
# `robots.txt` is a request of the site, not a licence: what may be fetched may still be protected by copyright, by terms of use or, if it speaks of people, by data protection law. Keep the crawl delay, name your crawler, and store address and date with each page.
#
# ## Obtaining labels: agreement and votes
#
# People disagree, and on one-sided tasks they agree by chance. Cohen's *kappa* subtracts that: $\kappa = (p_o - p_e) / (1 - p_e)$. The votes below are **simulated**, with known skills, on the true labels of our pool. In the first case two people both say "no" nearly always, without looking.
#
# When seven people of unequal skill vote, a vote should weigh $\log \frac{p (K-1)}{1-p}$ for a person who is right with probability $p$ among $K$ classes. The skills come from the votes alone: start with the majority, see who agrees with it, weigh again, a simple form of [Dawid and Skene 1979](https://doi.org/10.2307/2346806).

# %% tags=["nbval-check-output"]
from sklearn.metrics import cohen_kappa_score

from helpers.crowdsourcing import cohen_kappa, estimated_skills, simulated_votes, weighted_vote

draw, truth = np.random.default_rng([SEED, 10]), y[:1200]
lazy = (draw.random((2, 4000)) < 0.05).astype(int)  # one "yes" in twenty, at random
votes = simulated_votes(truth, [0.95, 0.9, 0.45, 0.4, 0.35, 0.3, 0.3], 10, SEED)
off = max(abs(cohen_kappa(*p) - cohen_kappa_score(*p)) for p in (lazy, votes.T[:2], votes.T[2:4]))
agree, beyond = np.mean(lazy[0] == lazy[1]), cohen_kappa(*lazy)
say("Not looking: agreement {a:.1%}, kappa {k:.2f}.", a=agree, k=beyond)
claim("Kappa by hand is scikit-learn's", off, id="kappa", at_most=1e-12)
claim("High agreement can be chance", agree - beyond, id="chance_agreement", at_least=0.7)

# %% tags=["nbval-check-output"]
guessed = estimated_skills(votes, 10)  # from the votes alone
found = {"best single person": votes[:, 0], "majority": weighted_vote(votes, [0.5] * 7, 10)}
found["weighted"] = weighted_vote(votes, guessed, 10)
right = {name: np.mean(labels == truth) for name, labels in found.items()}
show_table([right], "Share of labels that are right", **dict.fromkeys(right, ".3f"))
more, true_skills = right["weighted"] - right["majority"], np.mean(truth == votes.T, axis=1)
claim("Weighted votes beat the majority", more, id="weighted", at_least=0.02, unit="%")
off = np.max(np.abs(guessed - true_skills))
claim("Skills are found without true labels", off, id="skills_found", at_most=0.1)

# %% [markdown]
# It works as long as errors are independent and the crowd is right more often than it is wrong in the same way. A few items with known answers protect against the rest.
#
# ## The trap
#
# **Words spelled backwards.** A listing that circulates does that to half of the words and calls it text augmentation. How many of the reversed words occur in real text at all?
#
# **A generator without a rival.** The same listing defines a "GAN loss": the mean squared error between drawn and real images, with no discriminator. Noise and image of a pair have nothing to do with each other, so the best answer under that loss is the mean image of the class. The second cell trains the same generator that way, with new noise in every pass.

# %% tags=["nbval-check-output"]
import re

from sklearn.feature_extraction.text import TfidfVectorizer

words = {w for text in texts for w in re.findall(r"[a-z]+", text)}
unknown = np.mean([w[::-1] not in words for w in words if w != w[::-1]])
claim("Reversed words are no words", unknown, id="reversed_unknown", at_least=0.9, unit="%")
draw, bags = np.random.default_rng(SEED), TfidfVectorizer(token_pattern=r"[a-z]+").fit(texts)
mixed_up = [edit_words(text, draw, "shuffle") for text in texts]
moved = abs(bags.transform(mixed_up) - bags.transform(texts)).max()
claim("A bag of words does not see order", moved, id="shuffle_nothing", at_most=1e-9)
claim("Reversing gains nothing", gains["reverse"], id="reverse_gain", at_most=1, unit="points")

# %% tags=["nbval-check-output"]
from helpers.adversarial import noise_and_class

lonely, draw = build_generator(), np.random.default_rng([SEED, 11])
lonely.compile(keras.optimizers.Adam(sizes.rate), "mse", jit_compile=xla, steps_per_execution=8)
for _ in range(sizes.epochs // 2):
    lonely.fit(noise_and_class(draw, y, sizes.noise), x[..., None], 64, verbose=0)
blurred = draw_images(lonely, asked, [SEED, 7])
far, read = frechet_distance(features(blurred), real), judge.predict(flat(blurred)) == asked
say("Distance {f:.2f}; the judge reads {j:.0%} as asked.", f=far, j=read.mean())
low = spread_within_classes(blurred, asked) / spread_within_classes(x_test, y_test)
say("Spread within a class: {a:.1%} of real; the GAN's was {b:.1%}.", a=low, b=spread)
claim("Without a rival, no variety", low / spread, id="mse_spread", at_most=0.5)

# %% [markdown]
# Note that the judge is content: a mean four is read as a four, and the Frechet distance may be fooled as well, since the class means make up most of it. Only the spread and the look tell. No single number describes a generator.
#
# ## At large-model scale
#
# **Model collapse.** What if models learn from the output of models? With a Gaussian it can be calculated. Draw $n$ values, fit mean and variance, draw from the fit, and so on. The fitted variance (divided by $n$) is on average $1 - 1/n$ of the one before, so after $t$ generations it is $(1-1/n)^t$: with $n = 100$ and $t = 100$ it is $0.99^{100} = 0.366$. If the older values are kept and each generation adds to them, the loss stops ([Shumailov et al. 2024](https://doi.org/10.1038/s41586-024-07566-y), [Gerstgrasser et al. 2024](https://arxiv.org/abs/2404.01413)).
#
# **Rare words go first.** A word that makes up the share $p$ of a text is missing from a sample of $N$ words with probability $(1-p)^N$. Its expected vocabulary is $\sum_i (1 - (1-p_i)^N)$, and a word that is gone never comes back.

# %% tags=["nbval-check-output"]
from helpers.generative import resampled_moments

replaced = resampled_moments(100, 100, 2000, SEED).mean(axis=1)[-1]
kept_all = resampled_moments(100, 100, 200, SEED, keep=True).mean(axis=1)[-1]
_, counts = np.unique(data.text("python_docs").split(), return_counts=True)
share, total, draw = counts / counts.sum(), counts.sum(), np.random.default_rng([SEED, 12])
expected = np.sum(1 - (1 - share) ** total)
left = np.mean([np.count_nonzero(draw.multinomial(total, share)) for _ in range(10)])
found = dict(a=replaced, b=kept_all, v=left / len(share))
say("Variance {a:.3f}, kept {b:.3f}; words {v:.0%}.", **found)
claim("It shrinks as calculated", abs(replaced - 0.99**100), id="collapse", at_most=0.05)
claim("Keeping the data stops it", kept_all, id="collapse_kept", at_least=0.9)
claim("Lost words follow the formula", abs(left / expected - 1), id="words_lost", at_most=0.01)

# %% [markdown]
# **How much text is there?** GPT-3 saw 300 billion tokens ([Brown et al. 2020](https://arxiv.org/abs/2005.14165)). Twenty tokens for each parameter, the rule of [Hoffmann et al. 2022](https://arxiv.org/abs/2203.15556), make $20 \cdot 70 \cdot 10^9 = 1.4 \cdot 10^{12}$ tokens for 70 billion parameters. Repeating a text up to four times was nearly as good as new text in [Muennighoff et al. 2023](https://arxiv.org/abs/2305.16264).
#
# **What does labelling cost?** Take 100,000 items, three votes each, half a minute a vote: $100{,}000 \cdot 3 \cdot 0.5 / 60 = 2{,}500$ hours. Routing only the items on which the first two disagree to a third, with one in five disagreeing, takes $2.2$ votes instead of $3$ and saves 27 in a hundred hours: $1 - 2.2/3 = 0.27$ ([Snow et al. 2008](https://aclanthology.org/D08-1027/) on how many votes equal an expert).
#
# **What goes with the data.** For each source: address, date, licence, what was removed (duplicates, personal data, test items) and the share that a model wrote. Terms of use of a commercial model may forbid training rivals on its output; read them before you generate.
#
# ## Exercises
#
# ### Exercise 08.1: the Frechet distance
#
# Write `frechet(a, b)` for two arrays of features, without `sqrtm`: the trace of $(AB)^{1/2}$ is the sum of the square roots of the eigenvalues of $AB$.
#
# <details><summary>Hint</summary>
#
# `np.linalg.eigvals(A @ B)` may give tiny negative or complex parts: take the real part and clip it at zero. Covariances: `np.cov(a, rowvar=False)`.
#
# </details>

# %% tags=["exercise"]
def frechet(a, b):
    """Squared Frechet distance of two samples of features, each seen as a Gaussian."""
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import synthetic_data as check

check.frechet(frechet)


# %% tags=["solution", "hide-cell"]
def frechet(a, b):
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values = np.linalg.eigvals(cov_a @ cov_b).real
    cross = np.sqrt(np.clip(values, 0, None)).sum()
    means = np.sum((np.mean(a, axis=0) - np.mean(b, axis=0)) ** 2)
    return means + np.trace(cov_a) + np.trace(cov_b) - 2 * cross


check.frechet(frechet)

# %% [markdown]
# ### Exercise 08.2: agreement beyond chance
#
# Write `kappa(a, b)` for the labels that two people gave to the same items.

# %% tags=["exercise"]
def kappa(a, b):
    """Cohen's kappa: (observed - expected) / (1 - expected)."""
    raise NotImplementedError


# %% tags=["check"]
check.kappa(kappa)


# %% tags=["solution", "hide-cell"]
def kappa(a, b):
    a, b = np.asarray(a), np.asarray(b)
    observed = np.mean(a == b)
    expected = sum(np.mean(a == label) * np.mean(b == label) for label in np.union1d(a, b))
    return (observed - expected) / (1 - expected)


check.kappa(kappa)

# %% [markdown]
# ### Exercise 08.3: augment the training part only
#
# Write `augment_split(x, y, test, change)`: `test` holds row numbers. Return `(x_train, y_train, x_test, y_test)`: the training rows followed by one changed copy of each, `change(rows)`, with their labels; and the test rows as they are.

# %% tags=["exercise"]
def augment_split(x, y, test, change):
    """Training rows with one changed copy of each, and untouched test rows."""
    raise NotImplementedError


# %% tags=["check"]
check.augment_split(augment_split)


# %% tags=["solution", "hide-cell"]
def augment_split(x, y, test, change):
    rest = np.setdiff1d(np.arange(len(y)), test)
    rows = np.concatenate([x[rest], change(x[rest])])
    return rows, np.tile(y[rest], 2), x[test], y[test]


check.augment_split(augment_split)

# %% [markdown]
# ## Quiz
#
# Open a choice to see whether it is right, and why.

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("08_synthetic_data")

# %% [markdown]
# ## What the interviewer asks next
#
# **"How strong should the augmentation be?"** As strong as what varies in production, and chosen on validation rows. I look at a page of augmented images: if I cannot read the label, the model should not have to.
#
# **"Your GAN's loss does not fall. Is it broken?"** The two losses pull against each other, so a falling loss is no aim. I watch the Frechet distance at a fixed sample size, the spread, and the images.
#
# **"Why not a diffusion model?"** For quality and variety today's choice is usually diffusion; it needs many steps per image. A GAN draws in one. The tests here (distance, spread, train on synthetic) are the same for both.
#
# **"Can we train on the output of our language model?"** With the real data kept, filtered by something that knows more than the model (tests, a verifier, people), yes. Generation after generation on its own output alone, no: the rare goes first.
#
# **"Two annotators agree on nine items in ten. Good?"** That depends on the shares. I ask for kappa and look at where they disagree: often the instructions are at fault.
#
# | Answer | How it sounds |
# |---|---|
# | Weak | "Flip, rotate and scale, or use a GAN to get more data." No test, mirrored digits, no discriminator. |
# | Good | Picks changes that keep the label, augments the training part, names the parts of a DCGAN, knows FID. |
# | Strong | Measures each change over draws, states extractor and sample size, trains on synthetic and tests on real, asks what the generator knew, checks licences, weighs votes. |
#
# ## Takeaways
#
# - An augmentation is a claim about labels. Test it.
# - Small moves help when labels are few; mirroring digits hurts.
# - Editing words at random adds nothing that a bag of words could use.
# - A GAN needs a rival. A squared error draws the mean.
# - A Frechet distance is stated with extractor and sample size, and compared at equal sizes only.
# - A generator passes on what it was given: labels are worth more than copies.
# - Keep the real data; weigh the votes; read the licence.
#
# ## References
#
# - Goodfellow et al. 2014, [Generative adversarial nets](https://arxiv.org/abs/1406.2661)
# - Radford et al. 2015, [Unsupervised representation learning with DCGANs](https://arxiv.org/abs/1511.06434)
# - Mirza and Osindero 2014, [Conditional generative adversarial nets](https://arxiv.org/abs/1411.1784)
# - Heusel et al. 2017, [GANs trained by a two time-scale update rule](https://arxiv.org/abs/1706.08500), which introduced the FID
# - Chong and Forsyth 2020, [Effectively unbiased FID](https://arxiv.org/abs/1911.07023), on its bias in small samples
# - Zhang et al. 2017, [mixup](https://arxiv.org/abs/1710.09412)
# - Wei and Zou 2019, [EDA: easy data augmentation](https://arxiv.org/abs/1901.11196)
# - Shumailov et al. 2024, [AI models collapse when trained on recursively generated data](https://doi.org/10.1038/s41586-024-07566-y)
# - Gerstgrasser et al. 2024, [Is model collapse inevitable?](https://arxiv.org/abs/2404.01413)
# - Cohen 1960, [A coefficient of agreement for nominal scales](https://doi.org/10.1177/001316446002000104)
# - [RFC 9309](https://www.rfc-editor.org/rfc/rfc9309), the robots exclusion protocol
