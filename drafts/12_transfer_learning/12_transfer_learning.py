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
# # 12 Transfer learning
#
# > **Interviewer:** You have five labelled examples of each class and a network that somebody
# > trained on something else. How do you use it, which weights do you train, and how do you show
# > that it helped?
# >
# > **面试官：** 每个类别只有五个标注样本，手头有一个在别的任务上训练好的网络。
# > 你会怎么用它？训练哪些权重、冻结哪些？怎么证明迁移真的有用？
#
# Questions answered here: A20, P14, P16, P20, F13, B10, B20, C25
#
# **What you will be able to say**
#
# - when frozen features or fine-tuning beat training from scratch, by how much, and how sure that
#   is;
# - what freezing means bit by bit, why you compile afterwards, and what BatchNorm does behind
#   your back;
# - how labels are replaced by the data themselves, and one network made to serve two tasks;
# - how LoRA works, built by hand, what share of the weights it trains, and what share of the gain
#   it keeps;
# - why three listings with VGG16 that circulate cannot work.
#
# **Prerequisites.** [Chapter 01](01_evaluation.ipynb) for accuracy, intervals and bits per byte,
# [chapter 13](13_training_speed.ipynb) for how a network is trained here. The small language
# model comes from chapter 11, which builds it; here it is enough that it predicts the next byte.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("12_transfer_learning")

# %% [markdown]
# ## Sixty-second answer
#
# A network trained on one task has features that another task can use. I cut off its last layer,
# the *head*, and put a new one on. Then I have three choices: train everything from scratch,
# freeze the old layers and train the head alone, or fine-tune everything with a small learning
# rate. With few labels the old weights are worth most; with many, scratch catches up. I show that
# as a curve over the number of labels, with an interval over several draws, against a baseline
# that was trained fairly.
#
# Freezing must be exact. I set `trainable = False`, compile again, and compare the weights bit by
# bit. BatchNorm keeps statistics that no optimizer touches, so it has to run in inference mode.
#
# The first task needs no labels: predicting the next token of a text, or a hidden part of the
# input, is enough. For large models I train low-rank adapters (LoRA): the matrix stays frozen and
# gains a product of two thin matrices, a percent of the weights or less. After training they
# merge into the matrix. If the old task must not be lost, I keep the adapter apart or train both
# tasks together.

# %% tags=["parameters"]
PROFILE: str = ""  # "quick", "full" or "gpu"; "" means $COURSE_PROFILE, else "quick"
SEED: int = 0  # fixes initial weights, which examples are labelled, and the order of training
DRAWS: int = 0  # draws of the labelled examples, 2 or more; 0 means what the profile says
EPOCHS: int = 0  # passes over the first task's images; 0 means what the profile says
TUNE: int = 0  # fine-tuning steps of the language model; 0 means what the profile says
RANK: int = 1  # rank of the LoRA matrices
WEIGHTS: str = ""  # "imagenet" downloads VGG16's weights from Keras; "" keeps them random, offline

# %% [markdown]
# ## The data
#
# Handwritten digits: the small ones inside scikit-learn in `quick`, MNIST in `full`. The **first
# task**, with many labels, is to tell 0 to 6 apart. The **new task** is to tell 7, 8 and 9 apart:
# shapes that the first task never showed. Somebody has centred these digits, which makes them
# easy. Real images are not like that, so we add an empty frame and move each digit at random
# inside it. That a digit stays the same digit wherever it stands is something the first task can
# teach.
#
# Then the **pre-training**: a small convolutional network learns the first task. All but its last
# layer is the **backbone**; what its last hidden layer says about an image are the image's
# **features**.

# %%
import numpy as np

from helpers import data, training
from helpers.evidence import ROOT, claim, say, start

run, plays = start("12_transfer_learning", PROFILE, SEED), "tiny_shakespeare"
for_images = {"images": ("digits", "mnist", "mnist"), "shift": (2, 3, 3), "copies": (4, 1, 1)}
for_network = {"epochs": EPOCHS or (4, 3, 3), "rate": (6e-3, 2e-3, 2e-3), "least": (24, 40, 40)}
for_gpt = {"text": ("", plays, plays), "tune": TUNE or (40, 200, 600), "passages": (48, 300, 300)}
sizes = run.sizes(draws=DRAWS or (5, 8, 12), **for_images, **for_network, **for_gpt)
print(training.prepare_keras(run))
import keras
from keras.ops import convert_to_numpy as array


# %%
def task(new, split, part, copies=1, most=12_000, edge=sizes.shift):  # part seeds the moves
    rows = np.tile(np.flatnonzero((split[1] >= 7) == new), copies)[:most]
    framed = np.pad(split[0][rows], ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    steps = np.random.default_rng([SEED, part]).integers(-edge, edge + 1, (len(rows), 2))
    moved = [np.roll(image, step, (0, 1)) for image, step in zip(framed, steps, strict=True)]
    return np.stack(moved), split[1][rows] - 7 * new


images = data.load(sizes.images)
train_set, test_set = (images.x_train, images.y_train), (images.x_test, images.y_test)
(x_old, y_old), (x_new, y_new) = task(0, train_set, 0, sizes.copies), task(1, train_set, 1)
x_old_test, y_old_test = task(0, test_set, 2, most=3000)
x_test, y_test = task(1, test_set, 3, sizes.copies, most=3000)
print(images.describe())

# %%
from helpers.evaluation import accuracy
from helpers.models import convolutional_network
from helpers.training import compile_classifier


def network(classes, seed):
    net = convolutional_network(x_old.shape[1:], classes, (16, 32), 64, seed=seed)
    return compile_classifier(net, sizes.rate, metrics=None, steps_per_execution=8)


source = network(7, SEED)
source.fit(x_old, y_old, batch_size=64, epochs=sizes.epochs, verbose=0)
pretrained = source.get_weights()
old_score = accuracy(y_old_test, array(source(x_old_test)))
say("The first task is learned: {score:.1%} of its test images are right.", score=old_score)

# %% [markdown]
# ## Scratch, frozen features, fine-tuning
#
# How much are the old weights worth for the new task, and does that depend on the number of
# labels? We give 5, 20 and 100 labels per class to three contestants:
#
# - **scratch**: the same network with new random weights, all trained;
# - **frozen**: the backbone as it is, and a logistic regression on its features;
# - **fine-tuned**: the backbone with that regression as its head, and then everything trained on.
#
# Starting from a fitted head matters: a random head sends large, meaningless gradients into good
# features ([Kumar et al. 2022](https://arxiv.org/abs/2202.10054)). Scratch and fine-tuning are
# the same program with other initial weights: same examples, same steps, same learning rate.
# `fit_each` runs all trainings on one compiled network: before each it puts back the weights and
# the optimizer. `few_labels` draws the examples such that the larger sets contain the smaller
# ones; `training_order` goes through them again and again, each time in a new order.

# %%
from helpers.transfer import few_labels, fit_each, mean_interval, training_order

features = keras.Model(source.inputs[0], source.get_layer("hidden").output)
f_new, f_test = array(features(x_new)), array(features(x_test))
target, labels, draws = network(3, SEED), (5, 20, 100), range(sizes.draws)
fresh = [network(3, 1000 * SEED + draw + 1).get_weights() for draw in draws]


def accuracy_of(net, weights, x, y):
    net.set_weights(weights)
    return accuracy(y, array(net(x)))


def train(net, starts, drawn):
    steps = sizes.least + 8 * (len(drawn[0]) // 100)
    orders = [training_order(rows, steps, 32, SEED) for rows in drawn]
    return fit_each(net, starts, (x_new, y_new), orders, sizes.rate)


# %%
from sklearn.linear_model import LogisticRegression

drawn, starts, trained, scores, own = {}, {}, {}, {}, {}
for n in labels:
    drawn[n] = [few_labels(y_new, n, [SEED, draw]) for draw in draws]
    heads = [LogisticRegression(C=0.1, tol=0.01).fit(f_new[r], y_new[r]) for r in drawn[n]]
    scores["frozen", n] = [head.score(f_test, y_test) for head in heads]
    starts[n] = [[*pretrained[:-2], head.coef_.T, head.intercept_] for head in heads]
    trained[n] = train(target, fresh + starts[n], 2 * drawn[n])  # scratch, then fine-tuned
    found = [accuracy_of(target, weights, x_test, y_test) for weights in trained[n]]
    scores["scratch", n], scores["fine-tuned", n] = found[: sizes.draws], found[sizes.draws :]
    pairs = zip(trained[n], drawn[n], strict=False)  # stops after the trainings from scratch
    own[n] = np.mean([accuracy_of(target, w, x_new[r], y_new[r]) for w, r in pairs])

# %%
from helpers.plots import figure, show
from helpers.tables import show_table

with figure() as (drawing, axes):
    for name in ("scratch", "frozen", "fine-tuned"):
        bars = [mean_interval(scores[name, count]) for count in labels]
        axes.semilogx(labels, [bar.estimate for bar in bars], marker="o", label=name)
        axes.fill_between(labels, [b.low for b in bars], [b.high for b in bars], alpha=0.15)
    axes.set(xlabel="labels per class", ylabel="accuracy", title="The new task")
    axes.set_xticks(labels, [str(count) for count in labels])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    show(drawing, "Accuracy on the new task; each band is the interval of the mean over the draws.")

# %% tags=["nbval-check-output"]
gap = {n: np.subtract(scores["fine-tuned", n], scores["scratch", n]) for n in labels}
few, some, many = (mean_interval(gap[n]) for n in labels)
text = "Fine-tuned minus scratch: {few} with five labels per class, {some} with twenty, {many} "
say(text + "with a hundred.", few=str(few), some=str(some), many=str(many))
text, fair = "scratch was trained until it knew its own examples", min(own.values())
claim(text, fair, id="scratch_fair", at_least=0.8, unit="%")
text, gain = "with five labels per class fine-tuning beats scratch", few.estimate
claim(text, gain, id="transfer_few", at_least=0.03, unit="%")
text = "the whole interval of that gain lies above zero"
claim(text, few.low, id="transfer_sure", above=0, unit="%")
text = "from five labels per class to a hundred the gap between fine-tuning and scratch closes"
claim(text, gain - many.estimate, id="gap_closes", at_least=0.02, unit="%")

# %% [markdown]
# The first claim is about fairness: scratch was not cut short, it knows the examples it was
# given. The difference is taken draw by draw, on the same labelled examples; values are shares of
# one, and the brackets and bands are intervals by Student's t over the draws. They cover the luck
# in drawing those examples and the initial weights of scratch. They do not cover the luck in the
# one pre-training; for that, run the chapter with another `SEED`.
#
# Read the frozen line as well. It trains in a moment, which makes it the first thing to try, and
# with the fewest labels it is about as good as fine-tuning. With many labels it falls behind,
# because it cannot move features that the new task would like to have moved.
#
# What was transferred? The first task never showed a 7, but it showed strokes, and digits in
# every place. Where the first task has little to teach, transfer gains nothing or harms
# (*negative transfer*). That is why the scratch line belongs in every such plot.
#
# ## Freeze, then compile
#
# In Keras, `layer.trainable = False` says that training leaves the layer alone. Does it, to the
# last bit? What if somebody sets it on a network that was compiled and trained before?
#
# Between frozen and free lie **layer-wise learning rates**: lower layers find edges, which every
# task needs, and may move less ([Howard and Ruder 2018](https://arxiv.org/abs/1801.06146)).
# Below, the first convolution gets a tenth of the learning rate and the second three tenths.
# Scaling their gradients instead would do nothing under Adam, which divides by their size.
# `layerwise_adam` scales the step itself, in one method:
#
# ```python
# def update_step(self, gradient, variable, learning_rate):
#     super().update_step(gradient, variable, learning_rate * factor_of(variable))
# ```

# %%
from helpers.transfer import changed_weights, layerwise_adam

head, rates = starts[20][0], {"convolution_1": 0.1, "convolution_2": 0.3}
gentle, frozen = network(3, SEED), network(3, SEED)
compile_classifier(gentle, optimizer=layerwise_adam(sizes.rate, rates), metrics=None)
for layer in [*frozen.layers[:-1], *target.layers[:-1]]:
    layer.trainable = False
compile_classifier(frozen, sizes.rate, metrics=None)  # target, compiled before, is left as it is
ways = {"all free": trained[20][sizes.draws]}
names = ("layer-wise rates", "frozen, then compiled", "compiled, then frozen")
for name, net in zip(names, (gentle, frozen, target), strict=True):
    (ways[name],) = train(net, [head], drawn[20][:1])

# %% tags=["nbval-check-output"]
changed = [changed_weights(head[:-2], found[:-2]) for found in ways.values()]
top = [changed_weights(head[-2:], found[-2:]) for found in ways.values()]
moved = [np.linalg.norm(found[0] - head[0]) / np.linalg.norm(head[0]) for found in ways.values()]
keys = ("network", "backbone changed", "head changed", "first layer moved")
rows = [dict(zip(keys, row, strict=True)) for row in zip(ways, changed, top, moved, strict=True)]
show_table(rows, "Weights changed; one draw, twenty labels per class", **{keys[3]: ".4f"})
text = "frozen weights are the same after training, bit by bit"
claim(text, changed[2], id="frozen_bitwise", equals=0, unit="weights")
text = "frozen after compiling, the backbone moves all the same"
claim(text, changed[3], id="late_freeze", above=0, unit="weights")
text = "with a tenth of the learning rate the first layer moves far less"
claim(text, moved[1] / moved[0], id="layerwise_path", at_most=0.4, unit="of the way")

# %% [markdown]
# The training step is built once, with the list of variables that were trainable then, and is
# used until the next `compile`. Nothing warns: the last row is the first row again. So: **freeze,
# compile, fit**; and compare bits when it matters. (Even with all layers free some weights do not
# change: those that only see the empty frame get no gradient.)
#
# *First layer moved* is the length of the change relative to the length of the weights: the
# layer-wise rates do what they say. Whether they help is a question for several draws, like the
# curve above; they pay in deep networks and long fine-tuning, where lower layers have time to
# forget.
#
# ## BatchNorm has a second memory
#
# A BatchNorm layer learns a scale and a shift from gradients. It also keeps a running mean and
# variance of what it sees, which **no gradient and no optimizer** touches: they move whenever the
# layer runs in training mode. To see this alone, we put such a layer behind our frozen features,
# let it watch the first task's images, and fit a head on what comes out. There is no optimizer
# here at all. Then the layer watches negatives of the same images, and we measure the first task
# again.

# %%
from keras import layers

norm, watched = layers.BatchNormalization(momentum=0.9), x_old[:1920]
f_old, f_negative, f_old_test = (array(features(x)) for x in (watched, 1 - watched, x_old_test))


def watch(values):
    for batch in np.split(values, 30):
        norm(batch, training=True)  # forward only


watch(f_old)
collected, head = norm.get_weights(), LogisticRegression(C=0.1, tol=0.01)
head.fit(array(norm(f_old, training=False)), y_old[:1920])
fine = head.score(array(norm(f_old_test, training=False)), y_old_test)

# %% tags=["nbval-check-output"]
watch(f_negative)
moved = changed_weights(collected, norm.get_weights())
drifted = head.score(array(norm(f_old_test, training=False)), y_old_test)
norm.set_weights(collected)
norm.trainable = False
watch(f_negative)
still = changed_weights(collected, norm.get_weights())
say("First task: {fine:.1%} right, {drifted:.1%} after watching.", fine=fine, drifted=drifted)
claim("BatchNorm changes without any training", moved, id="bn_moves", above=0, unit="numbers")
claim("other images' statistics ruin a task", fine - drifted, id="bn_ruin", at_least=0.1, unit="%")
text = "a frozen BatchNorm keeps them, even in training mode"
claim(text, still, id="bn_frozen", equals=0, unit="numbers")

# %% [markdown]
# In Keras a BatchNorm layer with `trainable = False` runs in inference mode. A learning rate of
# zero, or leaving the layer out of the optimizer, does not freeze it. When you unfreeze a
# backbone for fine-tuning, call it with `training=False`, so that its statistics stay while its
# weights learn.
#
# ## Two tasks, one network
#
# What does fine-tuning do to the first task? We give the network **two heads**, the old one and a
# new one, and plenty of new images. First we fine-tune, on new images only, each of them twice.
# Then **multi-task** training: each new image once, and as many old ones. Both take the same
# number of steps. An image has a label for one head only; a sample weight of zero silences the
# other head, whatever stands in the place of its label. Both heads are there all the time, so
# both tasks can be measured afterwards.

# %%
from helpers.transfer import restart

backbone, new_head = network(7, SEED), layers.Dense(3, dtype="float32")
heads = {"old": backbone.outputs[0], "new": new_head(backbone.get_layer("hidden").output)}
both = keras.Model(backbone.inputs[0], heads)
compile_classifier(both, sizes.rate, metrics=None, steps_per_execution=8)
begin = [*starts[100][0], *pretrained[-2:]]  # backbone, new head, old head
many = min(len(x_new), 3000)
x, y = np.concatenate([x_new[:many], x_old[:many]]), np.concatenate([y_new[:many], y_old[:many]])
tests = {"old": (x_old_test, y_old_test), "new": (x_test, y_test)}


# %% tags=["nbval-check-output"]
def teach(rows):  # accuracy on the old and on the new task
    restart(both, begin, sizes.rate)
    labels, new = {"old": y[rows], "new": np.minimum(y[rows], 2)}, 1.0 * (rows < many)
    options = {"sample_weight": {"old": 1 - new, "new": new}, "verbose": 0}
    both.fit(x[rows], labels, batch_size=50, epochs=6, **options)
    return [accuracy(y, array(both(x)[name])) for name, (x, y) in tests.items()]


(forgot, alone), (kept, beside) = teach(np.tile(np.arange(many), 2)), teach(np.arange(2 * many))
say("The first task: {a:.1%} before, {b:.1%} after fine-tuning.", a=old_score, b=forgot)
text = "training two heads keeps more of the first task than fine-tuning does"
claim(text, kept - forgot, id="multi_task", at_least=0.01, unit="%")
text = "training two heads costs the new task little"
claim(text, alone - beside, id="multi_task_price", at_most=0.08, unit="%")

# %% [markdown]
# Fine-tuning moves features that the old head relied on: *catastrophic forgetting*. Training on
# both keeps them where both heads can use them, at the price of keeping old data. One backbone
# with a head for each application is also cheaper to serve than a network for each.
#
# ## Labels from the text itself
#
# The first task needed labels. **Self-supervised** pre-training makes them from the data: hide a
# part and predict it. A language model hides the next byte. The small GPT of chapter 11 has read
# Python's help in this way; `full` trains it here, `quick` takes the stored weights. Does what it
# learned help a task it never saw: to tell from a short passage of code which of six modules of
# Python's library it was cut from? Self-attention does the reading; the features are the hidden
# units of its last block, averaged over the passage. A linear classifier on them, trained on few
# labels, is called a **linear probe**. The yardsticks: the same network before training, and
# words counted.

# %%
from dataclasses import astuple

from helpers.language_models import block_layers, build_gpt, gpt_sizes
from helpers.language_training import token_bits, train_language_model
from helpers.pretrained import language_model

gpt, _, old_held = language_model(run, "python_docs")
shape = astuple(gpt_sizes(gpt))  # vocabulary, context, width, blocks, heads
untrained = build_gpt(*shape, seed=SEED)


def read(model, tokens):  # features: float32 (passages, 4 x width)
    units = keras.Model(model.inputs[0], model.get_layer(f"block_{shape[3]}_mlp_up").output)
    return np.concatenate([array(units(part)).mean(axis=1) for part in np.split(tokens, 12)])


say("The small GPT has {count:,} weights.", count=gpt.count_params())

# %%
import inspect
from importlib import import_module

from sklearn.feature_extraction.text import TfidfVectorizer

from helpers.transfer import linear_probe

modules = ("argparse", "doctest", "inspect", "subprocess", "tarfile", "typing")
sources = [inspect.getsource(import_module(name)).encode() for name in modules]
spots = [np.linspace(0, len(code) - 192, sizes.passages, dtype=int) for code in sources]
pieces = [code[i : i + 192] for code, at in zip(sources, spots, strict=True) for i in at]
passages = np.array([np.frombuffer(piece, np.uint8) for piece in pieces], np.int32)
module = np.repeat(np.arange(len(modules)), sizes.passages)
grey = np.tile(passages, 7)[:, : x_new[0].size].reshape(-1, *x_new.shape[1:]) / np.float32(255)
print(pieces[8].decode(errors="replace"))

# %% tags=["nbval-check-output"]
seen = {"untrained GPT": read(untrained, passages), "pre-trained GPT": read(gpt, passages)}
seen["words, counted"] = TfidfVectorizer(sublinear_tf=True).fit_transform(pieces).toarray()
seen["image network"] = array(features(grey))
right = {name: linear_probe(x, module, 20, sizes.draws, SEED) for name, x in seen.items()}
rows = [{"features": name, "accuracy": f"{share:.3f}"} for name, share in right.items()]
show_table(rows, "Which module? Twenty labels for each; mean over the draws")
text = "pre-training without labels helps a task with labels"
gain = right["pre-trained GPT"] - right["untrained GPT"]
claim(text, gain, id="self_supervised", at_least=0.02, unit="%")
text = "a backbone for images is no reader of text"
gain = right["pre-trained GPT"] - right["image network"]
claim(text, gain, id="text_as_image", at_least=0.05, unit="%")

# %% [markdown]
# The first two rows are the same network with the same labels; what differs is text without
# labels. It was not even the same kind of text: help, not code.
#
# Now read the row of words before you boast. Words counted are a strong yardstick, and a GPT this
# small knows how words are spelled and little of what they are about. What large language models
# add is the same step at a scale where it pays. Without that row you would never know. The last
# row belongs to the trap below.
#
# ## LoRA by hand
#
# To adapt a large model, one would rather not train and store all its weights again. **LoRA**
# freezes a matrix $W$ and learns only what is added to it, as a product of two thin matrices ([Hu
# et al. 2021](https://arxiv.org/abs/2106.09685)):
#
# $$y = x\,W + \frac{\alpha}{r}\,(x A)\,B.$$
#
# $A$ has as many rows as the layer has inputs and $r$ columns; $B$ has $r$ rows and as many
# columns as the layer has outputs. The **rank** $r$ is small. $B$ starts at zero, so that the
# adapted model begins as the model it adapts. Keras does this when a layer is told `enable_lora`.
# We do it in NumPy. With $G$ the gradient of the loss by the outputs, the chain rule gives
#
# $$\partial A = \frac{\alpha}{r}\, x^\top G\, B^\top$$
#
# $$\partial B = \frac{\alpha}{r}\, (xA)^\top G.$$
#
# After twenty steps of plain gradient descent, are the matrices the same?

# %% tags=["nbval-check-output"]
x, wish = np.split(np.random.default_rng(SEED).normal(size=(256, 32)).astype("float32"), [24], 1)
dense = layers.Dense(8, use_bias=False, dtype="float32")
model = keras.Sequential([keras.Input((24,)), dense])
dense.enable_lora(rank=2, lora_alpha=4.0)
model.compile(keras.optimizers.SGD(0.1), "mse")
w, a, b, scale = array(dense.kernel), array(dense.lora_kernel_a), np.zeros((2, 8)), 4.0 / 2
for _ in range(20):
    model.train_on_batch(x, wish)
    slope = scale * 2 * (x @ w + scale * (x @ a) @ b - wish) / wish.size  # scale times G
    a, b = a - 0.1 * x.T @ slope @ b.T, b - 0.1 * (x @ a).T @ slope
off = np.abs(w + scale * a @ b - array(dense.kernel)).max()
claim("LoRA by hand takes the steps of Keras's own", off, id="lora_hand", at_most=1e-4)

# %% [markdown]
# ## LoRA on the small GPT
#
# The GPT knows Python's help. Now it shall learn another kind of text: the Python code of the six
# modules in `quick`, Shakespeare in `full`. Full fine-tuning trains every weight; LoRA of rank 1
# trains two vectors for each matrix of the blocks and for the logits. `add_lora` switches on
# Keras's LoRA for the named layers and freezes everything else: biases and norms too, which
# `enable_lora` alone leaves trainable. Both get the same steps on the same windows with the same
# optimizer, each at a learning rate that suits it: thin matrices stand a much greater one. The
# score is bits per byte on held-out text of the new kind, and the **gain** is what it falls by.

# %%
from helpers.low_rank import add_lora, trained_share

new_text = data.text(plays).encode() if sizes.text == plays else b"".join(sources)
study, held = new_text[: -len(new_text) // 10], new_text[-len(new_text) // 10 :][:8000]
base = gpt.get_weights()
whole, adapted = build_gpt(*shape), build_gpt(*shape)
whole.set_weights(base)
adapted.set_weights(base)
matrices = [name for block in range(1, shape[3] + 1) for name in block_layers(block)]
add_lora(adapted, RANK, [*matrices, "logits"])
same = {"steps": sizes.tune, "seed": SEED + 1, "optimizer": "adamw", "batch": 16, "reports": 1}
train_language_model(whole, study, learning_rate=2e-3, **same)
train_language_model(adapted, study, learning_rate=5e-2, **same)


# %% tags=["nbval-check-output"]
def bits(model):  # per byte: of the new text, of the old one
    found = token_bits(model, held + old_held)
    return {"new text": found[: len(held)].mean(), "old text": found[len(held) :].mean()}


models = {"pre-trained": gpt, "fully fine-tuned": whole, "LoRA": adapted}
rows, formats = [{"model": name} | bits(model) for name, model in models.items()], ".3f"
show_table(rows, "Bits per byte, fewer is better", **dict.fromkeys(list(rows[0])[1:], formats))
(before, full, lora), share = (row["new text"] for row in rows), trained_share(adapted)
text = "LoRA trains less than two percent of the weights"
claim(text, share, id="lora_share", below=0.02, unit="%")
claim("LoRA learns the new text", before - lora, id="lora_gain", at_least=0.05, unit="bits")
text, kept = "LoRA keeps most of full fine-tuning's gain", (before - lora) / (before - full)
claim(text, kept, id="lora_kept", at_least=0.5, unit="%", needs="full")

# %% tags=["nbval-check-output"]
from helpers.low_rank import base_weights, merged_weights, save_adapter

moved = changed_weights(base, base_weights(adapted))
text = "under LoRA every old weight is the same, bit by bit"
claim(text, moved, id="lora_bitwise", equals=0, unit="weights")
gpt.set_weights(merged_weights(adapted))
off = np.abs(array(gpt(passages[:8])) - array(adapted(passages[:8]))).max()
text = "merged into the weights, the adapter gives the same logits"
claim(text, off, id="lora_merged", at_most=1e-3)
folder = ROOT / "artifacts" / run.chapter / run.profile.name
size, everything = save_adapter(adapted, folder / "adapter.npz"), 4 * gpt.count_params()
text = "The adapter is a file of {size:,} bytes; the weights take {everything:,}."
say(text, size=size, everything=everything)

# %% [markdown]
# What LoRA *keeps* is its share of full fine-tuning's gain. A rank of one is the least there is,
# and this model is small; in wide models a rank of 8 or 16 is still below a percent. LoRA costs
# nothing at inference: merge it, and the model has its old shape and speed. Or keep it apart: one
# base model in memory, and a small file for each customer or task.
#
# Read the column *old text*, too. Training few weights is no cure for forgetting: the adapted
# model has lost on the old text as well. The cure is that the old weights still exist. Without
# the adapter, the old model is back, bit by bit.
#
# ## The trap
#
# Interviewers ask for *transfer learning with VGG16*. First the program as it should be; it is
# the one above with another backbone: no top, pooled features, frozen, called with
# `training=False`, its own preprocessing, a new head. ImageNet's weights need a download. **They
# were not loaded here**: this chapter runs offline, so the network below has random weights, and
# shows the program, the shapes and what an architecture alone is worth. Set `WEIGHTS` to
# `"imagenet"` where the network allows. Then the three listings that circulate:
#
# 1. **The top left on.** `VGG16(weights="imagenet")` without `include_top=False` ends in the
#    probabilities of 1,000 classes, and a new layer is put on top of *those*. It runs. We do the
#    same to our own backbone: the new head sees what the old head believes.
# 2. **Numbers as images.** Three rows of three numbers are passed as a training set for images of
#    224 by 224 pixels in three colours, with two labels.
# 3. **VGG16 for text.** Word numbers go through an image network, an LSTM and an attention layer.
#    As printed it stops at the first shape. Suppose it is repaired until it runs: characters
#    become grey values. The table of modules above has a row for that.

# %%
from keras.applications import vgg16

form = {"include_top": False, "pooling": "avg", "input_shape": (32, 32, 3)}
vgg = vgg16.VGG16(weights=WEIGHTS or None, **form)


def vgg_features(x):  # grey to colour, 0 to 255, enlarged, then as VGG16's weights were trained
    large = array(keras.ops.image.resize(np.repeat(255 * x, 3, axis=-1), (32, 32)))
    return array(vgg(vgg16.preprocess_input(large), training=False))


few, rest = drawn[5][0], few_labels(y_test, 20, SEED)
head = LogisticRegression(C=0.1, tol=0.01).fit(vgg_features(x_new[few]), y_new[few])
found = {"own": scores["frozen", 5][0], "vgg": head.score(vgg_features(x_test[rest]), y_test[rest])}
text = "Five labels per class: {own:.1%} on our backbone's features, {vgg:.1%} on those of VGG16, "
say(text + "with {kind} weights.", kind=WEIGHTS or "random", **found)

# %% tags=["nbval-check-output"]
try:
    refused = vgg(np.arange(1.0, 10.0).reshape(3, 3)) is None
except ValueError:
    refused = True
claim("VGG16 refuses three rows of three numbers", refused, id="not_images", equals=1, unit="of 1")
top, with_top = [array(keras.ops.softmax(source(x))) for x in (x_new, x_test)], []
for rows in drawn[100]:
    head = LogisticRegression(C=0.1, tol=0.01).fit(top[0][rows], y_new[rows])
    with_top.append(head.score(top[1], y_test))
lost = np.mean(scores["frozen", 100]) - np.mean(with_top)
text = "the old top throws away what the new task needs"
claim(text, lost, id="top_left_on", at_least=0.03, unit="%")

# %% [markdown]
# An architecture is not knowledge: with random weights even a famous one is a random projection.
# With real weights, small grey digits are still far from photographs, so measure before you
# believe.
#
# The first listing is the dangerous one, because it runs and looks like learning. What the old
# classes do not care about is gone before the new head sees it.
#
# The third we have tried already: in the table of modules, the row *image network* is our own
# image backbone, given bytes as grey values. It mistakes *codes* for *brightness*: the number of
# a character or a word is a name, and renumbering the vocabulary would change every "image"
# without changing the text. Transfer needs a first task whose structure the new task shares:
# images for images, text for text.
#
# ## At large-model scale
#
# What does fine-tuning cost in memory? With mixed precision and Adam each trained weight takes 16
# bytes: 2 for the weight, 2 for its gradient, and 12 for the float32 copy and two moments
# ([Rajbhandari et al. 2020](https://arxiv.org/abs/1910.02054)). A frozen weight takes its 2 bytes
# in bfloat16, or about half a byte in 4 bits ([QLoRA, Dettmers et al.
# 2023](https://arxiv.org/abs/2305.14314)). The shapes are Llama 2's ([Touvron et al.
# 2023](https://arxiv.org/abs/2307.09288)): width 4,096 in 32 layers, and width 8,192 in 80
# layers, where keys and values are 1,024 wide. LoRA of rank 16 sits on the four matrices of the
# attention. Activations come on top, in all three columns.

# %%
from helpers.low_rank import lora_parameters

rows = []
shapes = {"Llama 2 7B": (7, 4096, 4096, 32), "Llama 2 70B": (70, 8192, 1024, 80)}
for name, (billions, width, narrow, depth) in shapes.items():
    square, thin = lora_parameters(width, width, 16), lora_parameters(width, narrow, 16)
    millions = depth * (2 * square + 2 * thin) / 1e6  # query and output; key and value
    rows.append({"model": name, "LoRA (million)": millions, "share (%)": millions / billions / 10})
    rows[-1] |= {"full (GB)": 16 * billions, "LoRA (GB)": 2 * billions + 16 * millions / 1e3}
    rows[-1] |= {"QLoRA (GB)": billions / 2 + 16 * millions / 1e3, "file (MB)": 2 * millions}
formats = dict.fromkeys(list(rows[0])[1:], ".1f") | {"share (%)": ".2f"}
show_table(rows, "Weights, gradients and optimizer; the adapter's file in bfloat16", **formats)

# %% [markdown]
# Full fine-tuning of the smaller model does not fit on one card of 80 GB
# ([NVIDIA](https://www.nvidia.com/en-us/data-center/a100/)); with LoRA it fits with room for
# activations, and with a 4-bit base so does the larger one. The adapter is a file to mail: a
# hundred customers are a hundred such files and one base model. For GPT-3 the authors of
# [LoRA](https://arxiv.org/abs/2106.09685) report 10,000 times fewer trained weights and a third
# of the memory. It is not free of loss: on hard new domains LoRA learns less than full
# fine-tuning, and forgets less ([Biderman et al. 2024](https://arxiv.org/abs/2405.09673)).
#
# ## Exercises
#
# ### Exercise 12.1: A layer with LoRA
#
# Write `lora_layer(x, kernel, a, b, alpha)`: the outputs of a frozen `kernel` (inputs, outputs)
# with an adapter `a` (inputs, rank) and `b` (rank, outputs). Do not form the product of `a` and
# `b`: with a large matrix it would cost as much as the matrix itself.
#
# <details><summary>Hint</summary>
#
# Multiply `x` by `a` first; the result has only `rank` columns. The rank is a shape, not an
# argument.
#
# </details>


# %% tags=["exercise"]
def lora_layer(x, kernel, a, b, alpha):
    raise NotImplementedError("Return the outputs (n, outputs).")


# %% tags=["check"]
from helpers.exercises.transfer_learning import check_lora_layer

check_lora_layer(lora_layer)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def lora_layer_solution(x, kernel, a, b, alpha):
    return x @ kernel + alpha / a.shape[1] * ((x @ a) @ b)


check_lora_layer(lora_layer_solution)

# %% [markdown]
# ### Exercise 12.2: The rank that fits
#
# Write `largest_rank(shapes, share)`: for matrices of the given shapes, all adapted with the same
# rank, return the greatest whole rank at which LoRA trains **at most** `share` of their weights;
# 0 if even rank 1 trains more.
#
# <details><summary>Hint</summary>
#
# Rank 1 adds `inputs + outputs` numbers to a matrix. Compare the sum over all matrices with the
# sum of `inputs * outputs`.
#
# </details>


# %% tags=["exercise"]
def largest_rank(shapes, share):
    raise NotImplementedError("Return a whole number.")


# %% tags=["check"]
from helpers.exercises.transfer_learning import check_largest_rank

check_largest_rank(largest_rank)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def largest_rank_solution(shapes, share):
    one = sum(inputs + outputs for inputs, outputs in shapes)
    return int(share * sum(inputs * outputs for inputs, outputs in shapes) / one)


check_largest_rank(largest_rank_solution)

# %% [markdown]
# ### Exercise 12.3: BatchNorm, frozen or not
#
# Write `batch_norm(x, mean, variance, training, trainable, momentum=0.9)` as Keras's layer
# behaves, with scale 1, shift 0 and epsilon `1e-3`: return the outputs and the new running mean
# and variance. `x` has the shape (n, units). In training mode the batch's own statistics are used
# and the running ones move towards them; in inference mode, and **whenever the layer is frozen**,
# the running ones are used and stay.
#
# <details><summary>Hint</summary>
#
# Momentum is the share of the old value that stays. The variance divides by n, which is NumPy's
# default.
#
# </details>


# %% tags=["exercise"]
def batch_norm(x, mean, variance, training, trainable, momentum=0.9):
    raise NotImplementedError("Return (outputs, mean, variance).")


# %% tags=["check"]
from helpers.exercises.transfer_learning import check_batch_norm

check_batch_norm(batch_norm)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def batch_norm_solution(x, mean, variance, training, trainable, momentum=0.9):
    used = (mean, variance)
    if training and trainable:
        used = (x.mean(axis=0), x.var(axis=0))
        mean = momentum * mean + (1 - momentum) * used[0]
        variance = momentum * variance + (1 - momentum) * used[1]
    return (x - used[0]) / np.sqrt(used[1] + 1e-3), mean, variance


check_batch_norm(batch_norm_solution)

# %% [markdown]
# ## Quiz
#
# Open a choice to see whether it is right, and why.

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("12_transfer_learning")

# %% [markdown]
# ## What the interviewer asks next
#
# **"Freeze or fine-tune?"** Frozen features first: they train in seconds and show what the
# features are worth. Fine-tune when there are more labels or when the new inputs differ from the
# old, starting from the fitted head, with a small learning rate. Decide on held-out data, over
# several draws.
#
# **"Was scratch tuned as carefully as your method?"** It had the same steps and the same learning
# rate, and it knows its training examples, so it was not cut short. A careful study would search
# the learning rate of each contestant on validation data, with the same number of trials.
#
# **"When does transfer hurt?"** When the first task has nothing to do with the new one, when
# inputs are prepared differently, or when there are enough labels anyway. The scratch baseline
# tells.
#
# **"Your frozen backbone still changed. Why?"** It was frozen after compiling; or BatchNorm ran
# in training mode; or weight decay was applied to it by hand. Compare bits before and after.
#
# **"How do you choose rank and layers for LoRA?"** Start with a small rank on all matrices of the
# blocks, a learning rate about ten times that of full fine-tuning, and raise the rank until the
# held-out score stops improving. Few layers at a high rank are usually worse than all layers at a
# low one.
#
# **"How do you fit one model to many applications?"** One backbone, kept; a head or an adapter
# for each application, each with its own test set; joint training where the tasks help one
# another and their data may be pooled; and monitoring, since each application drifts on its own.
#
# | Answer | What it sounds like |
# |---|---|
# | weak | "Load VGG16, freeze it, add a dense layer." No top, no preprocessing, no baseline. |
# | good | Frozen features or fine-tuning, compile after freezing, BatchNorm in inference mode. |
# | strong | All that, a curve with intervals and a fair scratch, bits compared, LoRA's loss. |
#
# ## Takeaways
#
# - Few labels: use old features. Many labels: scratch catches up. Show the curve with intervals.
# - Freeze, compile, fit; then compare bits. BatchNorm's statistics need inference mode.
# - Fine-tuning forgets the old task; a second head or a separate adapter keeps it.
# - Text and images carry their own labels: pre-training needs data, not annotators.
# - LoRA trains a percent of the weights, keeps much of the gain, and merges away.
# - Without its top, with its preprocessing, on inputs of its kind: otherwise VGG16 is decoration.
#
# ## References
#
# - Yosinski et al. 2014, [How transferable are features in deep neural
#   networks?](https://arxiv.org/abs/1411.1792)
# - Kornblith et al. 2019, [Do better ImageNet models transfer
#   better?](https://arxiv.org/abs/1805.08974)
# - Howard and Ruder 2018, [Universal language model
#   fine-tuning](https://arxiv.org/abs/1801.06146)
# - Kumar et al. 2022, [Fine-tuning can distort pretrained
#   features](https://arxiv.org/abs/2202.10054)
# - Hu et al. 2021, [LoRA](https://arxiv.org/abs/2106.09685); Dettmers et al. 2023,
#   [QLoRA](https://arxiv.org/abs/2305.14314)
# - Biderman et al. 2024, [LoRA learns less and forgets less](https://arxiv.org/abs/2405.09673)
# - Caruana 1997, [Multitask learning](https://doi.org/10.1023/A:1007379606734)
# - Ioffe and Szegedy 2015, [Batch normalization](https://arxiv.org/abs/1502.03167)
# - Simonyan and Zisserman 2015, [VGG](https://arxiv.org/abs/1409.1556)
# - Keras, [Transfer learning and fine-tuning](https://keras.io/guides/transfer_learning/)
