# %% [markdown]
# # 10 Sequence models
#
# > **The interviewer asks:** Classify time series with a recurrent network. Which cell do you take, when do you put a convolution in front, what do you do with series of different lengths, and why does nobody train a large language model this way any more?
# >
# > **面试官问：** 用循环神经网络给时间序列做分类：选哪种单元？什么时候先过一层卷积？序列长短不一怎么办？为什么如今的大语言模型都不再用它训练？
#
# Questions answered here: P10, P13, P15, P19
#
# **What you will be able to say**
#
# - what one step of an LSTM computes, gate by gate, because you have written it;
# - how simple RNN, LSTM, GRU, 1-D CNN and CNN + LSTM compare on the same series, next to a baseline that has no time axis at all;
# - how a mask makes padding harmless, and what padding does without one;
# - how fast the gradient through time shrinks, which bias decides it, and what that does to memory.
#
# **Prerequisites.** [Chapter 01](01_evaluation.ipynb) for accuracy, [chapter 13](13_training_speed.ipynb) for how a network is trained and timed here.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("10_sequence_models")

# %% [markdown]
# ## Sixty-second answer
#
# A recurrent layer reads an array of shape (examples, steps, features), one step at a time, and carries a state. The simple RNN rewrites its whole state at every step; LSTM and GRU have gates that can leave a unit alone, so they can hold a value over many steps, **if** their gate biases start near "keep". I check that: the gradient of the last state with respect to an early input shrinks geometrically, and the base is roughly the value of the forget gate.
#
# For real series I first run a linear model on the flattened series, then a 1-D CNN; both are often as good and cheaper. If order over a long span matters, I put a convolution with pooling in front of the LSTM: the pooled series is shorter, so fewer steps run one after the other. Series of different lengths are padded **and masked**. Bidirectional layers need the whole series, so they cannot stream. Large models left recurrence because its steps cannot run in parallel over time.

# %% tags=["parameters"]
PROFILE: str = ""  # quick, full or gpu; empty: $COURSE_PROFILE, else quick
SEED: int = 0  # initial weights, order of the examples, generated problems
UNITS: int = 0  # units of every recurrent layer; 0 means what the profile says
LAG: int = 0  # steps of the adding problem; 0 means what the profile says
LEARNING_RATE: float = 0.01  # Adam, for the real series
PADDING: float = -9.0  # written where a series has ended; no real step may hold it

# %% [markdown]
# ## The data
#
# In `quick` the series is made of real images: each handwritten digit is read like a page, two pixels at a time, so that 32 steps of two features tell which digit it is. In `full` they are measured series: the hourly electricity demand of a day in Italy (which half of the year?) and six channels of a wrist sensor (which activity?). Each feature is standardised with the training part.

# %%
import numpy as np

from helpers import data
from helpers.evidence import claim, record, say, start
from helpers.tables import show_table

run = start("10_sequence_models", PROFILE, SEED)
real, extra = ("italy_power_demand", "basic_motions"), ("simple RNN", "GRU", "bidirectional")
names = {"series": (("digits",), real, real), "networks": ((), extra, extra)}
names["ragged"] = ("digits", "japanese_vowels", "japanese_vowels")
fits = {"epochs": (5, 30, 40), "batch": (96, 16, 16), "ragged_epochs": (4, 15, 15)}
adding = {"lag": LAG or (30, 30, 80), "steps": (300, 300, 800), "seeds": (1, 5, 5)}
wide = {"units": UNITS or (24, 32, 64), "clock": (960, 960, 4096)}
sizes = run.sizes(**names, **fits, **adding, **wide)


# %%
def load_series(name):
    """The split with x of shape (examples, steps, features), standardised per feature."""
    split = data.load(name)
    parts = [split.x_train, split.x_test]
    if name == "digits":
        parts = [x.reshape(len(x), 32, 2) for x in parts]
    mean, spread = parts[0].mean((0, 1)), parts[0].std((0, 1)) + 1e-6
    return split, *[((x - mean) / spread).astype("float32") for x in parts]


for name in sizes.series:
    split, x_train, x_test = load_series(name)
    print(split.describe(), "Read as (examples, steps, features):", x_train.shape)

# %% [markdown]
# Three axes, in this order: examples, steps, features. A series of single numbers still has a feature axis, of size one.
#
# ## One LSTM step by hand
#
# What happens in one step? The input $x_t$ and the old output $h_{t-1}$ give four vectors. Three of them are **gates** between 0 and 1: input $i$, forget $f$, output $o$. The fourth is a candidate $g$. The **cell state** $c$ is the memory:
#
# $$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t).$$

# %%
def sigmoid(a):
    return 1 / (1 + np.exp(-np.clip(a, -100, 100)))  # no overflow


def lstm_step(x, h, c, kernel, recurrent, bias, squash=np.tanh):
    """h and c after one step; the weights hold the gates side by side: i, f, g, o."""
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * squash(g)
    return sigmoid(o) * squash(c), c


zero, bias = np.zeros((1, 1)), np.array([0, 1, 0, 0])
kept = lstm_step(zero, zero, 1, np.zeros((1, 4)), np.zeros((1, 4)), bias)[1].item()
say("One step on zeros, with forget bias one, keeps {kept:.0%} of a memory cell.", kept=kept)

# %% [markdown]
# The sum in the middle is the point: the old memory is *multiplied by a gate* and *added to*, not squeezed through a matrix. Remember the printed share, it comes back below. Is this what the library computes? We loop over a few real series with the weights of a Keras layer.

# %% tags=["nbval-check-output"]
from helpers.training import prepare_keras

say("{line}.", line=prepare_keras(run))
import keras
from keras import layers

keras.config.set_dtype_policy("float32")  # Differences of 1e-5 are compared below.
layer = layers.LSTM(sizes.units)
by_keras = np.asarray(layer(x_test[:8]))
h = c = np.zeros((8, sizes.units), "float32")
for t in range(x_test.shape[1]):
    h, c = lstm_step(x_test[:8, t], h, c, *map(np.asarray, layer.weights))
off = np.abs(h - by_keras).max()
claim("the LSTM by hand gives the library's last state", off, id="lstm_by_hand", at_most=1e-5)

# %% [markdown]
# ## The networks on the same series
#
# Which network classifies the series best? All have the same number of units and the same training: Adam, cross-entropy, the same epochs. In `quick` the list is short; `full` adds the simple RNN, the GRU and a bidirectional LSTM (a second cell reads backwards; more below). `recurrent_network` stacks an optional mask, an optional convolution with max pooling, one recurrent layer and a dense layer. The **1-D CNN** has no state at all: filters slide over the steps, and the largest response anywhere decides. The baseline is logistic regression on the flattened series, which knows nothing of time.

# %%
from sklearn.linear_model import LogisticRegression

from helpers.sequences import recurrent_network
from helpers.training import alternate_epochs, compile_classifier, fit_timed, speedup


def build(kind, shape, classes, n=sizes.units):
    pooled = {"convolution": n, "pooling": 4}
    ways = {"CNN + LSTM": pooled, "bidirectional": {"bidirectional": True}}
    if kind != "1-D CNN":
        cell = "LSTM" if kind in ways else kind
        return recurrent_network(shape, classes, cell, n, **ways.get(kind, {}))
    one, two = (layers.Conv1D(n, 5, padding="same", activation="relu") for _ in range(2))
    stack = [one, layers.MaxPooling1D(2), two, layers.GlobalMaxPooling1D(), layers.Dense(classes)]
    return keras.Sequential([keras.Input(shape), *stack])


# %% tags=["nbval-check-output"]
rows, right, trained = [], {}, {}
for name in sizes.series:
    split, x_train, x_test = load_series(name)
    shape, classes = x_train.shape[1:], len(split.class_names)
    flat = LogisticRegression(max_iter=2000).fit(x_train.reshape(len(x_train), -1), split.y_train)
    right[name, "baseline"] = flat.predict(x_test.reshape(len(x_test), -1)) == split.y_test
    for kind in (*sizes.networks, "LSTM", "1-D CNN", "CNN + LSTM"):
        model = build(kind, shape, classes)
        compile_classifier(model, LEARNING_RATE, metrics=None)
        fit_timed(model, (x_train, split.y_train), epochs=sizes.epochs, batch_size=sizes.batch)
        right[name, kind] = np.asarray(model(x_test)).argmax(axis=1) == split.y_test
        trained[name, kind] = model

# %%
from helpers.evaluation import accuracy, latency, paired_difference

for (name, kind), hits in right.items():
    weights = trained[name, kind].count_params() if kind != "baseline" else "-"
    rows.append({"series": name, "network": kind, "weights": weights, "accuracy": hits.mean()})
show_table(rows, f"Accuracy on the test part, {sizes.units} units", accuracy=".3f")
first, last = sizes.series[0], sizes.series[-1]
record("lstm_accuracy", right[last, "LSTM"].mean(), "%", "LSTM on the last data set")
record("cnn_lstm_accuracy", right[last, "CNN + LSTM"].mean(), "%", "CNN + LSTM on the same")
gap = right[first, "baseline"].mean() - right[first, "LSTM"].mean()
text = "on the first data set the linear baseline is no worse than the LSTM"
claim(text, gap, id="baseline_first", at_least=-0.03, unit="%")

# %% [markdown]
# An LSTM is not a default: on short series of one length the model without time keeps up with it. So a recurrent network has to show what it adds. (In `quick` the LSTM has had too few epochs to finish learning; `full` gives it more.) Look also at the size of the test part before ranking neighbours; the wrist sensor has only 40 test series ([chapter 01](01_evaluation.ipynb) has the intervals).
#
# ## A convolution first
#
# What does the convolution buy the LSTM? It summarises five neighbouring steps, and pooling keeps one step in four, so the LSTM walks a quarter of the way. Is the pair as good? That is a question of *non-inferiority*: we fix a loss that would matter, three points, take the test series of all data sets together, and ask whether the paired interval of the difference excludes it. Then an epoch of each is timed in alternation, on the same number of series.

# %% tags=["nbval-check-output"]
pair = "CNN + LSTM", "LSTM"
pooled = [np.concatenate([right[name, kind] for name in sizes.series]) for kind in pair]
gap = paired_difference(*pooled, seed=SEED)
say("CNN + LSTM minus LSTM over all test series: {gap}.", gap=gap)
text = "the interval of the difference excludes a loss of three points"
claim(text, gap.low, id="cnn_lstm_accuracy_gap", at_least=-0.03, unit="%")
x, y = np.resize(x_train, (sizes.clock, *x_train.shape[1:])), np.resize(split.y_train, sizes.clock)
contest = {kind: (trained[last, kind], (x, y)) for kind in pair}
seconds = alternate_epochs(contest, processor_time=run.profile.device == "cpu")
gain = speedup(seconds["LSTM"], seconds["CNN + LSTM"])
text = "an epoch of CNN + LSTM costs no more time than one of the LSTM"
claim(text, gain, id="cnn_lstm_speed", at_least=1, unit="x", repeatable=False)

# %% [markdown]
# More weights, no more time: a recurrent layer is paid by the *step*, because each step waits for the one before. Fewer steps also shorten the path that the gradient has to travel.
#
# ## Series of different lengths
#
# A batch is a rectangle, so shorter series are filled up. In `full` these are spoken vowels, 7 to 29 frames each. In `quick` the last rows of each digit are withheld, between none and four of eight. We train one LSTM that reads the filling like data, and one behind a **mask**, which carries the state unchanged over filled steps. Then the same test series come in longer rectangles, as they do when one long series happens to be in the batch.

# %%
from helpers.sequences import pad_series

split, parts = data.load(sizes.ragged), []
for number, x in enumerate((split.x_train, split.x_test)):
    if sizes.ragged == "digits":
        ends = np.random.default_rng([SEED, number]).integers(4, 9, len(x))
        x = np.where(np.arange(8)[:, None] < ends[:, None, None], x[..., 0], np.nan)
    parts.append(x.astype("float32"))
mean, spread = np.nanmean(parts[0], (0, 1)), np.nanstd(parts[0], (0, 1)) + 0.1
train, test = ((x - mean) / spread for x in parts)
padded = pad_series(train, train.shape[1], PADDING)
lengths = (~np.isnan(test[:, :, 0])).sum(axis=1)
say("Test series have {low} to {high} real steps.", low=lengths.min(), high=lengths.max())

# %% tags=["nbval-check-output"]
moved, (_, width, features), classes = {}, padded.shape, len(split.class_names)
for way, value in (("no mask", None), ("mask", PADDING)):
    keras.utils.set_random_seed(SEED)
    model = recurrent_network((None, features), classes, units=sizes.units, mask_value=value)
    compile_classifier(model, LEARNING_RATE, metrics=None)
    fit_timed(model, (padded, split.y_train), epochs=sizes.ragged_epochs, batch_size=sizes.batch)
    one, two = (np.asarray(model(pad_series(test, n, PADDING))) for n in (width, 2 * width))
    a, b = accuracy(split.y_test, one), accuracy(split.y_test, two)
    say("{way}: {a:.1%} right as trained, {b:.1%} in longer rectangles.", way=way, a=a, b=b)
    moved[way] = np.abs(one - two).max()
claim("unmasked padding moves a logit", moved["no mask"], id="padding_changes", at_least=0.3)
claim("masked padding moves none", moved["mask"], id="mask_exact", at_most=1e-5)

# %% [markdown]
# The unmasked network has learned to live with the padding it was trained with, and with no other. Its answer depends on its neighbours in the batch, which is a fault nobody finds by looking at one series. A convolution and its pooling do not pass a mask on; `recurrent_network` refuses that pair instead of dropping the mask silently.
#
# ## Reading in both directions
#
# A bidirectional layer runs a second cell from the end. That helps labels that depend on what comes later. What does it cost? Change only the **last** step and see which earlier outputs move.

# %% tags=["nbval-check-output"]
changed = x_test[:8].copy()
changed[:, -1] += 1
forward = layers.LSTM(sizes.units, return_sequences=True)
both = layers.Bidirectional(layers.LSTM(sizes.units, return_sequences=True))
moves = [np.asarray(net(changed) - net(x_test[:8])) for net in (forward, both)]
one, two = (np.abs(move[:, :-1]).max() for move in moves)
claim("a forward LSTM's earlier outputs do not know the future", one, id="forward_causal", equals=0)
text = "every output of a bidirectional layer waits for the end of the series"
claim(text, two, id="bidirectional_waits", at_least=1e-4)

# %% [markdown]
# So no bidirectional layer for a live signal, and none for predicting the next value: it would have seen it.
#
# ## The gradient through time
#
# Can an early step be learned from a late error? The answer is the size of $\partial h_T / \partial x_t$: how much the last state moves when step $t$ moves. By the chain rule it is a product of one factor per step, so it shrinks or grows geometrically. `gradient_norms` lets Keras differentiate a random projection of the last state and averages over series.
#
# The last two networks start with gates that keep: `remember_for` draws a time $\tau$ for each unit, up to the length, and sets the forget bias to $\log \tau$, so that the gate keeps $\tau/(1+\tau)$ a step ([Tallec and Ollivier 2018](https://arxiv.org/abs/1804.11188)). All are untrained, 60 steps of noise.

# %%
from helpers.sequences import gradient_norms, recurrent_layer, remember_for

noise, norms = np.random.default_rng(SEED).random((64, 60, 2), dtype="float32"), {}
glorot, zero = {"recurrent_initializer": "glorot_uniform"}, {"unit_forget_bias": False}
starts = {"simple RNN": {}, "simple RNN, Glorot start": glorot, "LSTM, forget bias 0": zero}
starts |= {"LSTM, forget bias 1": {}, "LSTM, spread bias": {}, "GRU, spread bias": {}}
for name, options in starts.items():
    layer = recurrent_layer(name.split(",")[0], 24, **options)
    layer.build(noise.shape)
    if "spread" in name:
        remember_for(layer, 60, SEED)
    norms[name] = gradient_norms(layer, noise, SEED)
left = {name: values[0] / values[-1] for name, values in norms.items()}

# %% tags=["nbval-check-output"]
from helpers.plots import figure, show

with figure(width=8) as (drawing, axes):
    axes.plot(range(1, 61), np.transpose([v / v[-1] for v in norms.values()]), label=list(norms))
    axes.set(yscale="log", title="Gradient through time", xlabel="step t", ylabel="relative size")
    axes.legend(fontsize=8)
    show(drawing, "How much of the gradient of the last state reaches step t, before training.")
rnn, _, none, one, spread, _ = left.values()
claim("the simple RNN has lost most of it", rnn, id="rnn_vanishes", at_most=0.1)
claim("forget bias 0 has lost all of it", none, id="lstm_bias_zero_vanishes", at_most=1e-8)
claim("forget bias 1 brings far more", one / none, id="forget_bias_one", at_least=1000, unit="x")
claim("a spread bias far more again", spread / one, id="spread_bias", at_least=10, unit="x")
claim("the simple RNN beats forget bias 1", rnn / one, id="orthogonal_rnn", at_least=1, unit="x")

# %% [markdown]
# The textbook sentence "RNN gradients vanish, LSTM gradients do not" is **not** what comes out. Everything vanishes; the slope is what differs, and it is a matter of initial values. A forget gate that starts at $\sigma(1)$ keeps about three quarters of a memory cell per step, as printed at the top, and sixty such factors leave little. Keras starts the simple RNN with an orthogonal matrix, which by itself shrinks nothing; with a Glorot start the curve drops.
#
# ## Memory over a long lag
#
# A gradient that arrives is not yet a memory. The **adding problem** ([Hochreiter and Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735)) tests memory alone: a series of noise, two steps are marked in its first half, the answer after the last step is the sum of the two marked values. Always answering 1 leaves a squared error of one sixth; that is chance, written as 1 below. Same training for all: Adam with rate 0.01 unless the name says otherwise, gradient norm clipped at 1, fresh series in each of `steps` batches of 32 (generated as in the paper, but with the places of the marks as a share of the length).

# %%
from helpers.sequences import adding_problem


def adding_error(cell, seed, rate=0.01, spread=True, **options):
    """Squared error on 500 fresh series after training, chance being 1."""
    keras.utils.set_random_seed(seed)
    x, y = adding_problem(32 * sizes.steps, sizes.lag, seed)
    unseen, truth = adding_problem(500, sizes.lag, 10_000 + seed)
    model = recurrent_network((sizes.lag, 2), 1, cell, 24, **options)
    if spread and cell != "simple RNN":
        remember_for(model.layers[0], sizes.lag, seed)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse", jit_compile=False)
    fit_timed(model, (x, y), epochs=1, batch_size=32, shuffle=False)
    return float(np.mean((np.asarray(model(unseen))[:, 0] - truth) ** 2) / truth.var())


# %%
doubts = {
    "simple RNN, rate 0.001": {"cell": "simple RNN", "rate": 0.001},
    "LSTM, forget bias 1": {"cell": "LSTM", "spread": False},
    "LSTM, ReLU": {"cell": "LSTM", "activation": "relu"},
}  # run in `full`: is it the rate, is it the bias, is it tanh?
contestants = {cell: {"cell": cell} for cell in ("simple RNN", "LSTM", "GRU")}
contestants |= doubts if sizes.networks else {}
errors = {}
for name, kind in contestants.items():
    seeds = range(SEED, SEED + (2 if name in doubts else sizes.seeds))
    errors[name] = [adding_error(seed=seed, **kind) for seed in seeds]

# %% tags=["nbval-check-output"]
columns = {"network": list(errors), "best": [min(e) for e in errors.values()]}
columns |= {"worst": [max(e) for e in errors.values()], "seeds": [len(e) for e in errors.values()]}
rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
caption = f"Adding problem over {sizes.lag} steps: error, chance being 1"
show_table(rows, caption, best=".3f", worst=".3f")
text = "the simple RNN stays at chance with every seed"
claim(text, min(errors["simple RNN"]), id="rnn_at_chance", at_least=0.7)
text = "LSTM and GRU solve the same lag with every seed"
claim(text, max(errors["LSTM"] + errors["GRU"]), id="gated_solve", at_most=0.35)

# %% [markdown]
# Same data, same steps, same clipping: the gated cells hold the first value until the second comes, the simple RNN overwrites it with noise at each step. In `full` three more rows answer the obvious doubts: whether a smaller learning rate rescues the simple RNN within these steps, how much of the LSTM's fame is its bias, and what `activation="relu"` does here (the trap below comes back to it). With other tricks a simple RNN can be taught this task, for example ReLU units that start as the identity ([Le et al. 2015](https://arxiv.org/abs/1504.00941)).
#
# ## The trap
#
# Three programs circulate. The first gives the LSTM a table: two axes, taken from a toy array of five rows. The second puts a 2-D convolution in front and hands its four axes to the LSTM. Neither runs; here is what they say.

# %% tags=["nbval-check-output"]
table = np.array([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]], "float32")
net = keras.Input((8, 8, 1)), layers.Conv2D(32, 3), layers.MaxPooling2D(2), layers.LSTM(50)
tries = (lambda: table.shape[2], lambda: layers.LSTM(50)(table), lambda: keras.Sequential(net))
rows = []
for attempt, does in enumerate(tries, start=1):
    try:
        does()
    except (ValueError, IndexError) as error:
        said = str(error).splitlines()[0].split(" Full shape")[0]
        rows.append({"attempt": attempt, "error": type(error).__name__, "message": said})
show_table(rows, "What NumPy and Keras say")
claim("all three attempts are refused", len(rows), id="shapes_refused", equals=3)

# %% [markdown]
# The cure is the same for all: three axes. A table of five rows with two columns is **not** five series; it is one series of five steps, or five examples without time. `LSTM(50)(table[None])` reads the first; for the second an LSTM is the wrong tool. Of a 2-D convolution's output, fold height or width into the features first, or use `Conv1D`.
#
# The third program runs: `LSTM(50, activation="relu")`. With `tanh` no output can leave the range from -1 to 1. ReLU has no ceiling, and its output is fed back in. We take fresh Keras weights, five seeds, and the step from above with ReLU in the place of `tanh`, on inputs that nobody standardised (between 0 and 30).

# %%
def largest_output(seed, squash, steps=400):
    keras.utils.set_random_seed(seed)
    layer = layers.LSTM(50)
    layer.build((None, steps, 2))
    weights = [np.asarray(weight, "float64") for weight in layer.weights]
    x, h = 30 * np.random.default_rng(seed).random((32, steps, 2)), np.zeros((32, 50))
    c = h
    for t in range(steps):
        h, c = lstm_step(x[:, t], h, c, *weights, squash)
    return np.abs(h).max()


# %% tags=["nbval-check-output"]
from functools import partial

squashes = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}
largest = {name: [largest_output(SEED + k, f) for k in range(5)] for name, f in squashes.items()}
found = {"top": max(largest["tanh"]), "low": min(largest["relu"]), "high": max(largest["relu"])}
say("Largest output: {top:.2f} with tanh; with ReLU {low:.3g} to {high:.3g}, by start.", **found)
claim("with tanh no output leaves the unit range", found["top"], id="tanh_bounded", at_most=1)
claim("with ReLU some start runs away", found["high"], id="relu_unbounded", at_least=50)
sample = x_test[:8, :8]
nets = {kind: partial(layers.LSTM(sizes.units, activation=kind), sample) for kind in squashes}
cost = {kind: latency(net, repeats=3, warmup=1).p50_ms for kind, net in nets.items()}
record("relu_cpu_time", cost["relu"] / cost["tanh"], "x", "ReLU over tanh", repeatable=False)
say("ReLU takes {r:.2f} of the time of tanh here.", r=cost["relu"] / cost["tanh"])

# %% [markdown]
# Read this carefully, because both extremes circulate. On short, standardised series a ReLU LSTM can train well: the last row of the adding table in `full` says how well. But nothing bounds it, and which start runs away is a matter of luck and of the scale of the input. On a CPU it costs about the same, because there is no fused kernel to lose. On an NVIDIA GPU it does lose one: [Keras documents](https://keras.io/api/layers/recurrent_layers/lstm/) that the cuDNN kernel needs `tanh`, `sigmoid`, no recurrent dropout and no unrolling. How much slower the general loop is there was **not measured here**: this chapter's numbers come from a CPU.
#
# The quietest mistake is the wrong axis. Recordings often arrive as (examples, features, steps). `transpose` is
# meant; `reshape` makes the shape right and the content wrong, without an error ([chapter 09](09_cnn.ipynb)
# measures what that costs on images). So print one series before training: `x[0, :3]` should look like
# three moments of one recording.
#
# ## At large-model scale
#
# Why did attention replace recurrence? Count what has to happen **one after the other**. A recurrent layer needs as many sequential steps as there are tokens, and a signal from the first token passes through all of them; an attention layer needs one, and the path between any two tokens has length one ([Vaswani et al. 2017, table 1](https://arxiv.org/abs/1706.03762)). The floor for one sequence of 8,192 tokens on one accelerator with 3.35 TB/s of memory bandwidth and 989 TFLOPS in bfloat16 ([NVIDIA H100](https://www.nvidia.com/en-us/data-center/h100/)), width 4,096:

# %% tags=["nbval-check-output"]
tokens, width, bandwidth, compute = 8192, 4096, 3.35e12, 989e12
lstm_bytes = 2 * 8 * width**2  # four gates, each with an input and a recurrent matrix, 16 bits
one_by_one = tokens * lstm_bytes / bandwidth  # every step reads all weights again
block_operations = tokens * 2 * 12 * width**2 + 4 * tokens**2 * width  # matrices, then attention
at_once = block_operations / compute
floors = {"a": one_by_one, "b": 1000 * at_once}
say("LSTM layer: at least {a:.2f} s. Transformer block: {b:.1f} ms at peak.", **floors)
text = "step after step, the LSTM's floor is far above the transformer block's"
claim(text, one_by_one / at_once, id="sequential_floor", at_least=50, unit="x")

# %% [markdown]
# The block does *more* arithmetic and still ends first, because it multiplies matrices by matrices while the LSTM re-reads its weights for every step. A large batch shares those reads (and weights that fit on the chip avoid them), but not the number of steps. When *generating*, the advantage turns round: attention reads a cache that grows with every token, a recurrent state keeps its size. **State-space models** such as Mamba take both: their recurrence is linear in the state, so that a scan computes it in parallel during training, and it runs step by step with a fixed state when generating ([Gu and Dao 2023](https://arxiv.org/abs/2312.00752)).
#
# ## Exercises
#
# ### Exercise 10.1: Windows from one long series
#
# You are given one recording of shape (length, features), or (length,) for single numbers. Return all windows of `steps` consecutive steps, in order, as (windows, steps, features).

# %% tags=["exercise"]
def windows(series, steps):
    """All windows of `steps` consecutive steps: (length - steps + 1, steps, features)."""
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import sequence_models

sequence_models.check_windows(windows)

# %% tags=["solution", "hide-cell"]
def windows(series, steps):
    series = np.asarray(series)
    if series.ndim == 1:
        series = series[:, None]
    starts = np.arange(len(series) - steps + 1)
    return series[starts[:, None] + np.arange(steps)]


sequence_models.check_windows(windows)

# %% [markdown]
# ### Exercise 10.2: One GRU step
#
# A GRU has two gates and no second state. With $a = xW + b_0$ and $r_h = hR + b_1$, each split into three parts (update, reset, candidate): $z = \sigma(a_z + r_z)$, $r = \sigma(a_r + r_r)$, $g = \tanh(a_g + r \odot r_g)$, and the new state is $z \odot h + (1 - z) \odot g$. This is Keras's form; the papers swap the roles of $z$ and $1 - z$.
#
# <details><summary>Hint</summary>
#
# `np.split(x @ kernel + bias[0], 3, axis=-1)` gives the three input parts. The reset gate multiplies the recurrent part of the candidate *after* the matrix product.
#
# </details>

# %% tags=["exercise"]
def gru_step(x, h, kernel, recurrent, bias):
    """The new state; x (n, features), h (n, units), bias (2, 3 * units)."""
    raise NotImplementedError


# %% tags=["check"]
sequence_models.check_gru_step(gru_step)

# %% tags=["solution", "hide-cell"]
def gru_step(x, h, kernel, recurrent, bias):
    a_z, a_r, a_g = np.split(x @ kernel + bias[0], 3, axis=-1)
    r_z, r_r, r_g = np.split(h @ recurrent + bias[1], 3, axis=-1)
    z, r = sigmoid(a_z + r_z), sigmoid(a_r + r_r)
    return z * h + (1 - z) * np.tanh(a_g + r * r_g)


sequence_models.check_gru_step(gru_step)

# %% [markdown]
# ### Exercise 10.3: The last real output
#
# A layer gave an output for every step, padding included: shape (n, steps, units). Return, for each series, the output at its last *real* step, given the real lengths (each at least one).

# %% tags=["exercise"]
def last_real(outputs, lengths):
    """The output at the last real step of each series: (n, units)."""
    raise NotImplementedError


# %% tags=["check"]
sequence_models.check_last_real(last_real)

# %% tags=["solution", "hide-cell"]
def last_real(outputs, lengths):
    return outputs[np.arange(len(outputs)), np.asarray(lengths) - 1]


sequence_models.check_last_real(last_real)

# %% [markdown]
# ## Quiz

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("10_sequence_models")

# %% [markdown]
# ## What the interviewer asks next
#
# **LSTM or GRU?** A GRU has three weight blocks where the LSTM has four, and one state. Try both; the gate bias matters more than the choice. What they share, a gate that can leave a unit alone, is what the adding problem needs.
#
# **Your loss becomes NaN after a few hundred steps.** The gradient through time can also grow. Look at its norm, clip it by norm, check the scale of the input and that nobody replaced `tanh` by ReLU.
#
# **How do you serve a recurrent classifier on a live signal?** Forward only, keep the state between calls (`stateful`, or pass `initial_state`), one step per sample: constant cost and memory.
#
# **Can a 1-D CNN see as far as an LSTM?** Only its receptive field. Dilation doubles it with each layer; pooling multiplies it. Beyond it, the CNN is blind, and knows it: nothing vanishes gradually.
#
# - *A weak answer* pastes `LSTM(50, activation="relu")` on an array of five rows.
# - *A good answer* names the three axes, pads and masks, and says that gates keep the gradient.
# - *A strong answer* runs a baseline without time first, knows that the forget bias sets the time scale, shortens the series before the LSTM, and can say what transformers and state-space models changed.
#
# ## Takeaways
#
# - Input is (examples, steps, features). A reshape that fits is not yet right; look at one series.
# - A linear model and a 1-D CNN come first. Put pooling in front of an LSTM: steps are what it costs.
# - Pad **and** mask, and test that a longer rectangle changes no answer.
# - The gradient through time is a product. Gate biases set its base, and the default is shorter than its reputation.
# - Gates store a value over a lag on which a simple RNN stays at chance.
# - Recurrence is sequential; that, not its arithmetic, is why large models left it.
#
# ## References
#
# - Hochreiter and Schmidhuber, Long Short-Term Memory, 1997: <https://doi.org/10.1162/neco.1997.9.8.1735>
# - Bengio, Simard and Frasconi, Learning long-term dependencies with gradient descent is difficult, 1994: <https://doi.org/10.1109/72.279181>
# - Cho et al., the GRU, 2014: <https://arxiv.org/abs/1406.1078>
# - Jozefowicz, Zaremba and Sutskever, on the forget bias, 2015: <https://proceedings.mlr.press/v37/jozefowicz15.html>
# - Le, Jaitly and Hinton, recurrent networks of rectified linear units, 2015: <https://arxiv.org/abs/1504.00941>
# - Tallec and Ollivier, Can recurrent neural networks warp time?, 2018: <https://arxiv.org/abs/1804.11188>
# - Vaswani et al., Attention is all you need, 2017: <https://arxiv.org/abs/1706.03762>
# - Gu and Dao, Mamba, 2023: <https://arxiv.org/abs/2312.00752>
