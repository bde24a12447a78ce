# %% [markdown]
# # 12 Transfer learning
#
# > **Interviewer:** You have five labelled examples of each class and a network that somebody trained
# > on something else. How do you use it, which weights do you train, and how do you show that it
# > helped?
# >
# > **面试官：** 每个类别只有五个标注样本，手头有一个在别的任务上训练好的网络。你会怎么用它？训练哪些权重、冻结哪些？怎么证明迁移真的有用？
#
# Questions answered here: A20, P14, P16, P20, F13, B10, B20, C25
#
# **What you will be able to say**
#
# - when frozen features or fine-tuning beat training from scratch, by how much, and how sure that is;
# - what freezing means bit by bit, why you compile afterwards, and what BatchNorm does behind your back;
# - how labels are replaced by the data themselves, and one network made to serve two tasks;
# - how LoRA works, built by hand, what share of the weights it trains, and what share of the gain it keeps;
# - why three listings with VGG16 that circulate cannot work.
#
# **Prerequisites.** [Chapter 01](01_evaluation.ipynb) for accuracy, intervals and bits per byte,
# [chapter 13](13_training_speed.ipynb) for how a network is trained here. The small language model
# comes from chapter 11, which builds it; here it is enough that it predicts the next byte.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("12_transfer_learning")

# %% [markdown]
# ## Sixty-second answer
#
# A network trained on one task has features that another task can use. I cut off its last layer, the
# *head*, and put a new one on. Then I have three choices: train everything from scratch, freeze the
# old layers and train the head alone, or fine-tune everything with a small learning rate. With few
# labels the old weights are worth most; with many, scratch catches up. I show that as a curve over the
# number of labels, with an interval over several draws, against a baseline that was trained fairly.
#
# Freezing must be exact. I set `trainable = False`, compile again, and compare the weights bit by bit.
# BatchNorm keeps statistics that no optimizer touches, so it has to run in inference mode.
#
# The first task needs no labels: predicting the next token of a text, or a hidden part of the input, is
# enough. For large models I train low-rank adapters (LoRA): the matrix stays frozen and gains a product
# of two thin matrices, a percent of the weights or less. After training they merge into the matrix. If
# the old task must not be lost, I keep the adapter apart or train both tasks together.

# %% tags=["parameters"]
PROFILE: str = ""  # "quick", "full" or "gpu"; "" means $COURSE_PROFILE, else "quick"
SEED: int = 0  # fixes initial weights, which examples are labelled, and the order of training
TRAININGS: int = 0  # draws of the labelled examples, 2 or more; 0 means what the profile says
EPOCHS: int = 0  # passes over the first task's images; 0 means what the profile says
STEPS: int = 0  # pre-training steps of the language model; 0 means what the profile says
RANK: int = 1  # rank of the LoRA matrices
WEIGHTS: str = ""  # "imagenet" downloads VGG16's weights from Keras; "" keeps them random, offline

# %% [markdown]
# ## The data
#
# Handwritten digits. The **first task**, with many labels, is to tell 0 to 6 apart. The **new task** is
# to tell 7, 8 and 9 apart: shapes the first task never showed. The small, centred digits of `quick`
# are so easy that nobody needs transfer, so there each image is moved by up to a pixel, at random.
# `task` picks the classes of a task and moves the images.
#
# Then a small convolutional network is **pre-trained** on the first task. All but its last layer is the
# **backbone**; what its last hidden layer says about an image are the image's **features**.

# %%
import numpy as np

from helpers import data, training
from helpers.evidence import ROOT, claim, say, start

run, play = start("12_transfer_learning", PROFILE, SEED), "tiny_shakespeare"
sizes = run.sizes(
    images=("digits", "mnist", "mnist"), shift=(1, 0, 0), copies=(4, 1, 1), epochs=EPOCHS or (6, 3, 3),
    text=("docstrings", play, play), width=(64, 128, 256), layers=(1, 2, 4), steps=STEPS or (90, 400, 2000),
    tune=(40, 200, 600), trainings=TRAININGS or (5, 12, 12), least=(16, 48, 48), texts=(40, 120, 120))  # fmt: skip
images = data.load(sizes.images)
print(training.prepare_keras(run), images.describe(), sep="\n")
import keras
from keras.ops import convert_to_numpy as array


# %%
def task(new, x, y, seed, edge=sizes.shift):
    rows = y >= 7 if new else y < 7
    x, y = np.pad(x[rows], ((0, 0), (edge, edge), (edge, edge), (0, 0))), y[rows] - 7 * new
    steps = np.random.default_rng(seed).integers(-edge, edge + 1, (len(x), 2))
    return np.stack([np.roll(image, s, (0, 1)) for image, s in zip(x, steps, strict=True)]), y


train, test = (images.x_train, images.y_train), (images.x_test, images.y_test)
parts = [task(False, *train, [SEED, copy]) for copy in range(sizes.copies)]
x_old, y_old = (np.concatenate(found)[:12000] for found in zip(*parts, strict=True))
x_new, y_new = task(True, *train, [SEED, 10])
(x_old_test, y_old_test), (x_test, y_test) = (task(new, *test, [SEED, 11]) for new in (False, True))
print(f"{len(x_old):,} old, {len(x_new):,} new images; {len(x_test):,} to test the new task on")

# %%
from helpers.evaluation import accuracy
from helpers.models import convolutional_network
from helpers.training import compile_classifier


def network(classes, seed):
    net = convolutional_network(x_old.shape[1:], classes, (16, 32), 64, seed=seed)
    return compile_classifier(net, 2e-3, metrics=None)


source = network(7, SEED)
source.fit(x_old, y_old, 64, sizes.epochs, verbose=0)
pretrained = source.get_weights()
x_old_test, y_old_test = x_old_test[:3000], y_old_test[:3000]
old_score = accuracy(y_old_test, array(source(x_old_test)))
say("The first task is learned: {score:.1%} of its test images are right.", score=old_score)

# %% [markdown]
# ## Scratch, frozen features, fine-tuning
#
# How much are the old weights worth for the new task, and does that depend on the number of labels? We
# give 5, 20 and 100 labels per class to three contestants:
#
# - **scratch**: the same network, new random weights, all trained;
# - **frozen**: the backbone as it is, and a logistic regression on its features;
# - **fine-tuned**: the backbone and that regression as head, then everything trained on.
#
# Starting from a fitted head matters: a random head sends large, meaningless gradients into good
# features ([Kumar et al. 2022](https://arxiv.org/abs/2202.10054)). Scratch and fine-tuning are then the
# same program with other initial weights: same examples, same steps, same learning rate. With five labels
# per class the steps are more than twenty passes over the examples, with a hundred more than four, so
# scratch is not cut short. `restart` puts weights and optimizer back, so that one compiled network serves all
# trainings; `few_labels` draws examples such that the larger sets contain the smaller ones.

# %%
from sklearn.linear_model import LogisticRegression

from helpers.transfer import changed_weights, few_labels, layerwise_adam, mean_interval, restart


def fit(net, weights, rows, seed):
    restart(net, weights, 2e-3)
    steps, rng = sizes.least + len(rows) // 8, np.random.default_rng(seed)
    order = [rng.permutation(rows) for _ in range(25 * steps // len(rows) + 1)]
    for batch in np.concatenate(order)[: 25 * steps].reshape(steps, 25):
        net.train_on_batch(x_new[batch], y_new[batch])
    return accuracy(y_test, array(net(x_test)))


# %%
features = keras.Model(source.inputs[0], source.get_layer("hidden").output)
f_new, f_test = array(features(x_new)), array(features(x_test))
target, labels, turns, scores, starts, tuned = network(3, SEED), (5, 20, 100), range(sizes.trainings), {}, {}, {}  # fmt: skip
fresh = [network(3, 1000 * SEED + turn + 1).get_weights() for turn in turns]
for turn, count in ((turn, count) for turn in turns for count in labels):
    rows = few_labels(y_new, count, [SEED, turn])
    probe = LogisticRegression(max_iter=1000).fit(f_new[rows], y_new[rows])
    starts[count, turn] = [*pretrained[:-2], probe.coef_.T, probe.intercept_]
    found = {"scratch": fit(target, fresh[turn], rows, turn), "frozen": probe.score(f_test, y_test)}  # fmt: skip
    found, tuned[count, turn] = found | {"fine-tuned": fit(target, starts[count, turn], rows, turn)}, target.get_weights()  # fmt: skip
    for name, score in found.items():
        scores.setdefault(name, {}).setdefault(count, []).append(score)

# %%
from helpers.plots import figure, show
from helpers.tables import show_table

with figure() as (drawing, axes):
    for name, found in scores.items():
        bars = [mean_interval(found[count]) for count in labels]
        axes.semilogx(labels, [bar.estimate for bar in bars], marker="o", label=name)
        axes.fill_between(labels, [b.low for b in bars], [b.high for b in bars], alpha=0.15)
    axes.set(xlabel="labels per class", ylabel="accuracy", title="The new task")
    axes.set_xticks(labels, [str(count) for count in labels])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    show(drawing, "Accuracy on the new task; each band is the interval of the mean over the draws.")

# %% tags=["nbval-check-output"]
gap = {n: np.subtract(scores["fine-tuned"][n], scores["scratch"][n]) for n in labels}
spans = {f"gap_{count}": str(mean_interval(gap[count])) for count in labels}
say("Fine-tuned minus scratch: {gap_5} with five labels per class, {gap_20} with twenty, {gap_100} "
    "with a hundred.", **spans)  # fmt: skip
claim("with five labels per class fine-tuning beats scratch", gap[5].mean(), id="transfer_few",
      at_least=0.02, unit="%", needs="full")  # fmt: skip
claim("the whole interval of that gain lies above zero", mean_interval(gap[5]).low,
      id="transfer_sure", above=0, unit="%", needs="full")  # fmt: skip
claim("the gap closes with more labels", gap[5].mean() - gap[100].mean(), id="gap_closes",
      at_least=0.01, unit="%", needs="full")  # fmt: skip

# %% [markdown]
# The difference is taken draw by draw, on the same labelled examples, so it is surer than the two
# bands suggest. What the interval covers: the luck in drawing the labelled examples and the initial
# weights of scratch. It does not cover the luck in the one pre-training; for that, run the chapter with
# another `SEED`.
#
# Read the frozen line as well. It trains in a moment, which makes it the first thing to try; with many
# labels it falls behind, because it cannot move features that the new task would like to have moved. And where the first task has little
# to teach, transfer gains nothing or harms (*negative transfer*): the few hundred tiny digits of `quick`
# come close to that, which is why those claims need `full`, and why the scratch line belongs in every
# such plot.
#
# ## Freeze, then compile
#
# In Keras, `layer.trainable = False` says that training leaves the layer alone. Does it, to the last
# bit? What if somebody sets it on a network that was compiled and trained before? Between frozen and
# free lie **layer-wise learning rates**: lower layers find edges, which every task needs, and may move
# less ([Howard and Ruder 2018](https://arxiv.org/abs/1801.06146)). Scaling their gradients does nothing
# under Adam, which divides by their size. `layerwise_adam` scales the step itself, in one method:
#
# ```python
# def update_step(self, gradient, variable, learning_rate):
#     super().update_step(gradient, variable, learning_rate * factor_of(variable))
# ```

# %%
rows, head, rates = few_labels(y_new, 20, [SEED, 0]), starts[20, 0], {"convolution_1": 0.1, "convolution_2": 0.3}  # fmt: skip
gentle, frozen = network(3, SEED), network(3, SEED)
compile_classifier(gentle, optimizer=layerwise_adam(2e-3, rates), metrics=None)
for net in (frozen, target):
    for layer in net.layers[:-1]:
        layer.trainable = False
compile_classifier(frozen, 2e-3, metrics=None)  # target, compiled before, is left as it is
ways = {"all free": tuned[20, 0]}
for name, net in {"layer-wise rates": gentle, "frozen, then compiled": frozen, "compiled, then frozen": target}.items():  # fmt: skip
    fit(net, head, rows, 0)
    ways[name] = net.get_weights()

# %% tags=["nbval-check-output"]
table = []
for name, found in ways.items():
    table.append({"network": name, "backbone weights changed": changed_weights(head[:-2], found[:-2])})  # fmt: skip
    table[-1]["first layer moved"] = float(np.linalg.norm(found[0] - head[0]) / np.linalg.norm(head[0]))  # fmt: skip
show_table(table, f"Of {sum(w.size for w in head[:-2]):,} backbone weights; one draw, twenty labels per class", **{"first layer moved": ".4f"})  # fmt: skip
free, layered, kept, late = table
claim("frozen weights are the same, bit by bit", kept["backbone weights changed"], id="frozen_bitwise", equals=0, unit="weights")  # fmt: skip
trained = changed_weights(head[-2:], ways["frozen, then compiled"][-2:])
claim("meanwhile the head was trained", trained, id="head_trained", above=0, unit="weights")
claim("frozen after compiling, the backbone moves all the same", late["backbone weights changed"], id="late_freeze", above=0, unit="weights")  # fmt: skip
claim("with a tenth of the rate the first layer moves far less", layered["first layer moved"] / free["first layer moved"], id="layerwise_path", at_most=0.4, unit="of the way")  # fmt: skip

# %% [markdown]
# The training step is built once, with the list of variables that were trainable then, and is used
# until the next `compile`. Nothing warns: the last row is the first row again. So: **freeze, compile,
# fit**; and compare bits when it matters. *Moved* is the length of the change relative to the length of
# the weights: the layer-wise rates do what they say. Whether they help is a question for several draws, like the curve
# above; they pay in deep networks and long fine-tuning, where lower layers have time to forget.
#
# ## BatchNorm has a second memory
#
# A BatchNorm layer learns a scale and a shift from gradients. It also keeps a running mean and variance
# of what it sees, which **no gradient and no optimizer** touches: they move whenever the network runs in
# training mode. We train a small network with BatchNorm on the first task. Then we show it negatives of
# the images, without training anything, and measure the first task again.


# %%
from keras import layers

stack = [layers.Flatten(), layers.Dense(64), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
normed = keras.Sequential([keras.Input(x_old.shape[1:]), *stack, layers.Dense(7, dtype="float32")])
compile_classifier(normed, 3e-3, metrics=None).fit(x_old, y_old, 64, sizes.epochs, verbose=0)
learned = normed.get_weights()


def after_watching(net, batches=20):
    net.set_weights(learned)
    for batch in range(batches):
        net(1 - x_old[64 * batch : 64 * batch + 64], training=True)  # forward only, no gradient
    return accuracy(y_old_test, array(net(x_old_test, training=False)))


# %% tags=["nbval-check-output"]
drifted = after_watching(normed)
statistics = changed_weights(learned, normed.get_weights())
normed.trainable = False
kept, still = after_watching(normed), changed_weights(learned, normed.get_weights())
say("First task: {kept:.1%} right while frozen, {drifted:.1%} after the statistics moved.",
    kept=kept, drifted=drifted)  # fmt: skip
claim("BatchNorm's statistics move without any training", statistics, id="bn_moves", above=0, unit="numbers")  # fmt: skip
claim("and ruin the task the network had learned", kept - drifted, id="bn_ruin", at_least=0.1, unit="%")  # fmt: skip
claim("a frozen BatchNorm keeps them, even in training mode", still, id="bn_frozen", equals=0, unit="numbers")  # fmt: skip

# %% [markdown]
# In Keras a BatchNorm layer with `trainable = False` runs in inference mode. A learning rate of zero, or
# leaving the layer out of the optimizer, does not freeze it. When you unfreeze a backbone for
# fine-tuning, call it with `training=False`, so that its statistics stay while its weights learn.
#
# ## Two tasks, one network
#
# What does fine-tuning do to the first task? Let there be plenty of labels now: all new images, or 3,000 of
# them, several times. Afterwards we put the old head back on the fine-tuned backbone. The alternative is
# **multi-task** training: one backbone, two heads, equally many old and new images, the same number of
# steps. Each image has a label for one head only; a sample weight of zero silences the other.

# %%
shared, second = network(7, SEED), layers.Dense(3, dtype="float32")
heads = {"old": shared.outputs[0], "new": second(shared.get_layer("hidden").output)}
both = keras.Model(shared.inputs[0], heads)
shared.set_weights(pretrained), second.set_weights(starts[100, 0][-2:])
many = min(len(x_new), 3000)
x, zeros, ones = np.concatenate([x_old[:many], x_new[:many]]), np.zeros(many), np.ones(many)
y = {"old": np.concatenate([y_old[:many], 0 * y_new[:many]]), "new": np.concatenate([0 * y_old[:many], y_new[:many]])}  # fmt: skip
weight = {"old": np.concatenate([ones, zeros]), "new": np.concatenate([zeros, ones])}
compile_classifier(both, 2e-3, metrics=None).fit(x, y, 50, 8, sample_weight=weight, verbose=0)
target = network(3, SEED)  # all layers free again
target.set_weights(starts[100, 0])
losses = target.fit(x_new[:many], y_new[:many], 25, 8, verbose=0).history

# %% tags=["nbval-check-output"]
source.set_weights([*target.get_weights()[:-2], *pretrained[-2:]])
forgot, alone = accuracy(y_old_test, array(source(x_old_test))), accuracy(y_test, array(target(x_test)))  # fmt: skip
source.set_weights(pretrained)
together, beside = accuracy(y_old_test, array(both(x_old_test)["old"])), accuracy(y_test, array(both(x_test)["new"]))  # fmt: skip
say("First task: {before:.1%} before, {forgot:.1%} after fine-tuning, {together:.1%} with two heads. New "
    "task: {alone:.1%} fine-tuned, {beside:.1%} with two heads.", before=old_score, forgot=forgot,
    together=together, alone=alone, beside=beside)  # fmt: skip
claim("training both tasks keeps more of the first one than fine-tuning does", together - forgot, id="multi_task", at_least=0.02, unit="%")  # fmt: skip
claim("and costs the new task little", alone - beside, id="multi_task_price", at_most=0.05, unit="%")  # fmt: skip

# %% [markdown]
# Fine-tuning moves features that the old head relied on: *catastrophic forgetting*. Training on both
# keeps them where both heads can use them, at the price of keeping old data. One backbone with a head
# for each application is also cheaper to serve than a network for each.
#
# ## Labels from the text itself
#
# The first task needed labels. **Self-supervised** pre-training makes them from the data: hide a part and
# predict it. A language model hides the next byte. We pre-train a small GPT on Python's help and ask
# whether what it learned helps a task it never saw: to tell from a docstring which of six packages it
# belongs to. Self-attention does the reading; the features are the hidden units of its last block,
# averaged over the beginning of the text; logistic regression does the rest. The yardsticks: the same network
# before training, and words counted.

# %%
from helpers.language_models import block_layers, build_gpt
from helpers.language_training import bits_per_byte_of, train_language_model


def small_gpt():
    return build_gpt(256, 256, sizes.width, sizes.layers, 4, seed=SEED)


help_text, documents = data.text("python_docs").encode(), data.documents("docstrings")
gpt, blank = small_gpt(), small_gpt()
read_bytes = train_language_model(gpt, help_text[:-8000], steps=sizes.steps, batch=16, seed=SEED)
say("{count:,} weights, pre-trained on {tokens:,} bytes; {bits:.2f} bits per byte in the end.",
    count=gpt.count_params(), tokens=read_bytes.tokens, bits=read_bytes.losses[-1])  # fmt: skip

# %%
from sklearn.feature_extraction.text import TfidfVectorizer


def first_bytes(texts, length=256):  # of each text, int32 (texts, length)
    cut = b"".join(text.encode()[:length].ljust(length) for text in texts)
    return np.frombuffer(cut, np.uint8).reshape(-1, length).astype(np.int32)


def read(model, texts):
    units = keras.Model(model.inputs[0], model.get_layer(f"block_{sizes.layers}_mlp_up").output)
    tokens = first_bytes(texts)
    return np.concatenate([array(units(tokens[i : i + 60])).mean(1) for i in range(0, len(tokens), 60)])  # fmt: skip


some = few_labels(documents.labels_train, sizes.texts, SEED)  # so many of each package
texts, y_texts = [documents.texts_train[i] for i in some], documents.labels_train[some]
unseen, y_unseen = documents.texts_test[: 5 * sizes.texts], documents.labels_test[: 5 * sizes.texts]  # fmt: skip

# %% tags=["nbval-check-output"]
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

words = TfidfVectorizer(sublinear_tf=True).fit(texts)
seen = {name: (read(net, texts), read(net, unseen)) for name, net in (("untrained GPT", blank), ("pre-trained GPT", gpt))}  # fmt: skip
seen["words, counted"] = words.transform(texts), words.transform(unseen)


def classify(known, unknown, turn):  # accuracy of a linear head on twenty labels per package
    rows = few_labels(y_texts, 20, [SEED, turn])
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=0.1, max_iter=1000))
    return model.fit(known[rows], y_texts[rows]).score(unknown, y_unseen)


right = {name: [classify(*pair, turn) for turn in turns] for name, pair in seen.items()}
show_table([{"features": name, "accuracy": np.mean(found)} for name, found in right.items()], "Which package? Twenty labels for each", accuracy=".3f")  # fmt: skip
claim("pre-training without labels helps a task with labels", np.mean(right["pre-trained GPT"]) - np.mean(right["untrained GPT"]), id="self_supervised", at_least=0.02, unit="%", needs="full")  # fmt: skip

# %% [markdown]
# Same network, same labels; the difference is text without labels. Now read the last row before you
# boast. Words counted are a strong yardstick, and a GPT this small, pre-trained for seconds, knows how
# words are spelled and little of what they are about. What large language models add is the same step
# at a scale where it pays. Without the last row you would never know.
#
# ## LoRA by hand
#
# To adapt a large model, one would rather not train and store all its weights again. **LoRA** freezes a
# matrix $W$ and learns only what is added to it, as a product of two thin matrices
# ([Hu et al. 2021](https://arxiv.org/abs/2106.09685)):
#
# $$y = x\,W + \frac{\alpha}{r}\,(x A)\,B, \qquad A: \text{inputs} \times r, \quad B: r \times \text{outputs}.$$
#
# The rank $r$ is small. $B$ starts at zero, so that the adapted model begins as the model it adapts.
# Keras does this when a layer is told `enable_lora`. We do it in NumPy: with $G$ the gradient of the loss
# by the outputs, the chain rule gives $\partial A = \frac{\alpha}{r}\, x^\top G B^\top$ and
# $\partial B = \frac{\alpha}{r}\, (xA)^\top G$. After twenty steps of plain gradient descent, are the
# products $AB$ the same?

# %% tags=["nbval-check-output"]
rng, alpha, rank = np.random.default_rng(SEED), 4.0, 2
x, wish = (rng.normal(size=(256, n)).astype("float32") for n in (24, 8))
model = keras.Sequential([keras.Input((24,)), layers.Dense(8, use_bias=False, dtype="float32")])
dense, w = model.layers[0], model.get_weights()[0]
dense.enable_lora(rank, lora_alpha=alpha)
model.compile(keras.optimizers.SGD(0.1), "mse")
a, b, scale = array(dense.lora_kernel_a), np.zeros((rank, 8)), alpha / rank
for _ in range(20):
    model.train_on_batch(x, wish)
    slope = scale * 2 * (x @ w + scale * (x @ a) @ b - wish) / wish.size  # alpha / r times G
    a, b = a - 0.1 * x.T @ slope @ b.T, b - 0.1 * (x @ a).T @ slope
claim("LoRA by hand takes the steps of Keras's own", np.abs(a @ b - array(dense.lora_kernel_a) @ array(dense.lora_kernel_b)).max(), id="lora_hand", at_most=1e-4)  # fmt: skip

# %% [markdown]
# ## LoRA on the small GPT
#
# The GPT knows Python's help. Now it shall learn another kind of text: docstrings of scientific
# packages in `quick`, Shakespeare in `full`. Full fine-tuning trains every weight; LoRA of rank 1 trains
# two vectors for each matrix of the blocks and for the logits. `add_lora` switches on Keras's LoRA for
# the named layers and freezes everything else: biases and norms too, which `enable_lora` alone leaves
# trainable. Both get the same steps on the same windows, each with the optimizer that suits it: Muon for
# whole matrices, AdamW at a greater rate for thin ones. The score is bits per byte on held-out text of the new
# kind, and the **gain** is what it falls by.

# %%
from helpers.low_rank import add_lora, merged_weights, save_adapter, trained_share

pieces = [data.text(play)] if sizes.text == play else documents.texts_train + documents.texts_test
new_text, base = "\n\n".join(pieces).encode(), gpt.get_weights()
study, held = new_text[: -len(new_text) // 10], new_text[-len(new_text) // 10 :][:8000]
whole, adapted, plain = small_gpt(), small_gpt(), small_gpt()
for model in (whole, adapted):
    model.set_weights(base)
matrices = [name for block in range(1, sizes.layers + 1) for name in block_layers(block)]
thin, same = add_lora(adapted, RANK, [*matrices, "logits"]), {"steps": sizes.tune, "batch": 16}
train_language_model(whole, study, learning_rate=5e-3, seed=SEED + 1, **same)
learned = train_language_model(adapted, study, learning_rate=5e-2, optimizer="adamw", seed=SEED + 1, **same)  # fmt: skip

# %% tags=["nbval-check-output"]
say("LoRA trains {thin:,} numbers, {share:.2%} of {all:,}.", thin=thin, share=trained_share(adapted), all=gpt.count_params())  # fmt: skip
bits = {"pre-trained": gpt, "fully fine-tuned": whole, "LoRA": adapted}
rows = [{"model": name, "new text": bits_per_byte_of(model, held), "old text": bits_per_byte_of(model, help_text[-8000:])} for name, model in bits.items()]  # fmt: skip
show_table(rows, "Bits per byte of held-out text, fewer is better", **{"new text": ".3f", "old text": ".3f"})  # fmt: skip
before, full, lora = (row["new text"] for row in rows)
claim("LoRA trains less than two percent of the weights", trained_share(adapted), id="lora_share", below=0.02, unit="%")  # fmt: skip
claim("LoRA learns the new text", before - lora, id="lora_gain", at_least=0.05, unit="bits per byte")  # fmt: skip
claim("and keeps most of full fine-tuning's gain", (before - lora) / (before - full), id="lora_kept", at_least=0.5, unit="%", needs="full")  # fmt: skip

# %% tags=["nbval-check-output"]
names = [value.path.split("/")[-2:] for value in plain.weights]  # the layer, the weight
values = {tuple(value.path.split("/")[-2:]): array(value) for value in adapted.variables}
moved = changed_weights(base, [values[tuple(name)] for name in names])
claim("under LoRA every old weight is the same, bit by bit", moved, id="lora_bitwise", equals=0, unit="weights")  # fmt: skip
plain.set_weights(merged_weights(adapted))
tokens = first_bytes(unseen[:8])
merged = np.abs(array(plain(tokens)) - array(adapted(tokens))).max()
claim("merged into the weights, the adapter gives the same logits", merged, id="lora_merged", at_most=1e-3)  # fmt: skip
size = save_adapter(adapted, ROOT / "artifacts" / run.chapter / run.profile.name / "adapter.npz")
say("The adapter is a file of {size:,} bytes; the weights take {all:,}.", size=size, all=4 * gpt.count_params())  # fmt: skip

# %% [markdown]
# *Keeps* is the share of full fine-tuning's gain. A rank of one is the least there is, and this model is
# small; in wide models a rank of 8 or 16 is still below a percent. LoRA costs nothing at inference: merge
# it, and the model has its old shape and speed. Or keep it apart: one base model in memory, and a small
# file for each customer or task. Read the column *old text*, too. Training few weights is no cure for
# forgetting: the adapted model has lost on the old text as well. The cure is that the old weights still
# exist. Without the adapter, the old model is back, bit by bit.
#
# ## The trap
#
# Interviewers ask for *transfer learning with VGG16*. First the program as it should be; it is the one
# above with another backbone: no top, pooled features, frozen, called with `training=False`, its own
# preprocessing, a new head. ImageNet's weights need a download. **They were not loaded here**: this
# chapter runs offline, so the network below has random weights, and shows the program, the shapes and
# what an architecture alone is worth. Set `WEIGHTS` to `"imagenet"` where the network allows. Then the
# three listings that circulate:
#
# 1. **The top left on.** `VGG16(weights="imagenet")` without `include_top=False` ends in the
#    probabilities of 1,000 classes, and a new layer is put on top of *those*. It runs. We do the same
#    to our own backbone: the new head sees what the old head believes.
# 2. **Numbers as images.** Three rows of three numbers are passed as a training set for images of 224 by
#    224 pixels in three colours, with two labels.
# 3. **VGG16 for text.** Word numbers go through an image network, an LSTM and an attention layer. As
#    printed it stops at the first shape. Suppose it is repaired until it runs: characters become grey
#    values.

# %% tags=["nbval-check-output"]
vgg = keras.applications.VGG16(weights=WEIGHTS or None, include_top=False, pooling="avg", input_shape=(32, 32, 3))  # fmt: skip


def vgg_features(x):  # grey to colour, 0 to 255, enlarged, then as VGG16's weights were trained
    large = array(keras.ops.image.resize(np.repeat(255 * x, 3, axis=-1), (32, 32)))
    return array(vgg(keras.applications.vgg16.preprocess_input(large), training=False))


few, some = few_labels(y_new, 5, [SEED, 0]), few_labels(y_test, 20, SEED)
vgg_score = LogisticRegression().fit(vgg_features(x_new[few]), y_new[few]).score(vgg_features(x_test[some]), y_test[some])  # fmt: skip
say("Five labels per class: {own:.1%} on our small backbone's features, {vgg:.1%} on those of VGG16, which has {count:,} {weights} weights.", own=scores["frozen"][5][0], vgg=vgg_score, weights=WEIGHTS or "random", count=vgg.count_params())  # fmt: skip
try:
    refused = vgg(np.arange(1.0, 10.0).reshape(3, 3)) is None
except ValueError:
    refused = True
claim("VGG16 refuses three rows of three numbers", refused, id="not_images", equals=1)

# %% tags=["nbval-check-output"]
top = [array(keras.ops.softmax(source(x))) for x in (x_new, x_test)]
draws = [few_labels(y_new, 100, [SEED, turn]) for turn in turns]
with_top = [LogisticRegression(max_iter=1000).fit(top[0][rows], y_new[rows]).score(top[1], y_test) for rows in draws]  # fmt: skip
on_features = np.mean(scores["frozen"][100])
say("On features {frozen:.1%}, on the old top's probabilities {top:.1%}.", top=np.mean(with_top), frozen=on_features)  # fmt: skip
claim("the old top throws away what the new task needs", on_features - np.mean(with_top), id="top_left_on", at_least=0.03, unit="%")  # fmt: skip
pixels = [first_bytes(part, x_new[0].size).reshape(-1, *x_new.shape[1:]) / np.float32(255) for part in (texts, unseen)]  # fmt: skip
seen_as = [array(features(part)) for part in pixels]
poor = [classify(*seen_as, turn) for turn in turns]
say("Which package? {image:.1%} by the image network, {gpt:.1%} by the GPT.", image=np.mean(poor), gpt=np.mean(right["pre-trained GPT"]))  # fmt: skip
claim("a backbone for images is no reader", np.mean(right["pre-trained GPT"]) - np.mean(poor), id="text_as_image", at_least=0.05, unit="%")  # fmt: skip

# %% [markdown]
# An architecture is not knowledge: with random weights even a famous one is a random projection. With
# real weights, small grey digits are still far from photographs, so measure before you believe.
#
# The first listing is the dangerous one, because it runs and looks like learning. What the old classes
# do not care about is gone before the new head sees it. The third mistakes *codes* for *brightness*: the
# number of a character or a word is a name, and renumbering the vocabulary would change every "image"
# without changing the text. Transfer needs a first task whose structure the new task shares: images for
# images, text for text.
#
# ## At large-model scale
#
# What does fine-tuning cost in memory? With mixed precision and Adam each trained weight takes 16
# bytes: 2 for the weight, 2 for its gradient, and 12 for the float32 copy and two moments
# ([Rajbhandari et al. 2020](https://arxiv.org/abs/1910.02054)). A frozen weight takes its 2 bytes in
# bfloat16, or about half a byte in 4 bits ([QLoRA, Dettmers et al. 2023](https://arxiv.org/abs/2305.14314)).
# The shapes are Llama 2's ([Touvron et al. 2023](https://arxiv.org/abs/2307.09288)): width 4,096 in 32
# layers, and width 8,192 in 80 layers, where keys and values are 1,024 wide. LoRA of rank 16 sits on the
# four matrices of the attention. Activations come on top, in all three columns.

# %%
from helpers.low_rank import lora_parameters

rows = []
for name, billions, width, narrow, depth in (("Llama 2 7B", 7, 4096, 4096, 32),
                                             ("Llama 2 70B", 70, 8192, 1024, 80)):  # fmt: skip
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
# activations, and with a 4-bit base so does the larger one. The adapter is a file to mail: a hundred
# customers are a hundred such files and one base model. For GPT-3 the authors of
# [LoRA](https://arxiv.org/abs/2106.09685) report 10,000 times fewer trained weights and a third of the
# memory. It is not free of loss: on hard new domains LoRA learns less than full fine-tuning, and forgets
# less ([Biderman et al. 2024](https://arxiv.org/abs/2405.09673)).
#
# ## Exercises
#
# ### Exercise 12.1: A layer with LoRA
#
# Write `lora_layer(x, kernel, a, b, alpha)`: the outputs of a frozen `kernel` (inputs, outputs) with an
# adapter `a` (inputs, rank) and `b` (rank, outputs). Do not form the product of `a` and `b`: with a large
# matrix it would cost as much as the matrix itself.
#
# <details><summary>Hint</summary>
#
# Multiply `x` by `a` first; the result has only `rank` columns. The rank is a shape, not an argument.
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
# Write `largest_rank(shapes, share)`: for matrices of the given shapes, all adapted with the same rank,
# return the greatest whole rank at which LoRA trains **at most** `share` of their weights; 0 if even rank 1
# trains more.
#
# <details><summary>Hint</summary>
#
# Rank 1 adds `inputs + outputs` numbers to a matrix. Compare the sum over all matrices with the sum of
# `inputs * outputs`.
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
# Write `batch_norm(x, mean, variance, training, trainable, momentum=0.9)` as Keras's layer behaves, with
# scale 1, shift 0 and epsilon `1e-3`: return the outputs and the new running mean and variance. `x` has
# the shape (n, units). In training mode the batch's own statistics are used and the running ones move
# towards them; in inference mode, and **whenever the layer is frozen**, the running ones are used and
# stay.
#
# <details><summary>Hint</summary>
#
# Momentum is the share of the old value that stays. The variance divides by n, which is NumPy's default.
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
# **"Freeze or fine-tune?"** Frozen features first: they train in seconds and show what the features are
# worth. Fine-tune when there are more labels or when the new inputs differ from the old, starting from the
# fitted head, with a small learning rate. Decide on held-out data, over several draws.
#
# **"When does transfer hurt?"** When the first task has nothing to do with the new one, when inputs are
# prepared differently, or when there are enough labels anyway. The scratch baseline tells.
#
# **"Your frozen backbone still changed. Why?"** It was frozen after compiling; or BatchNorm ran in training
# mode; or weight decay was applied to it by hand. Compare bits before and after.
#
# **"How do you choose rank and layers for LoRA?"** Start with a small rank on all matrices of the blocks, a
# learning rate about ten times that of full fine-tuning, and raise the rank until the held-out score stops
# improving. Few layers at a high rank are usually worse than all layers at a low one.
#
# **"How do you fit one model to many applications?"** One backbone, kept; a head or an adapter for each
# application, each with its own test set; joint training where the tasks help one another and their data
# may be pooled; and monitoring, since each application drifts on its own.
#
# | Answer | What it sounds like |
# |---|---|
# | weak | "Load VGG16, freeze it, add a dense layer." No top, no preprocessing, no baseline. |
# | good | Frozen features against fine-tuning, small learning rate, compile after freezing, BatchNorm in inference mode. |
# | strong | All that, a label-efficiency curve with intervals against a fair scratch, frozen weights compared bit by bit, LoRA's share and its loss, and what the old task lost. |
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
# - Yosinski et al. 2014, [How transferable are features in deep neural networks?](https://arxiv.org/abs/1411.1792)
# - Kornblith et al. 2019, [Do better ImageNet models transfer better?](https://arxiv.org/abs/1805.08974)
# - Howard and Ruder 2018, [Universal language model fine-tuning](https://arxiv.org/abs/1801.06146)
# - Kumar et al. 2022, [Fine-tuning can distort pretrained features](https://arxiv.org/abs/2202.10054)
# - Hu et al. 2021, [LoRA](https://arxiv.org/abs/2106.09685); Dettmers et al. 2023, [QLoRA](https://arxiv.org/abs/2305.14314)
# - Biderman et al. 2024, [LoRA learns less and forgets less](https://arxiv.org/abs/2405.09673)
# - Caruana 1997, [Multitask learning](https://doi.org/10.1023/A:1007379606734)
# - Ioffe and Szegedy 2015, [Batch normalization](https://arxiv.org/abs/1502.03167)
# - Simonyan and Zisserman 2015, [VGG](https://arxiv.org/abs/1409.1556)
# - Keras, [Transfer learning and fine-tuning](https://keras.io/guides/transfer_learning/)
