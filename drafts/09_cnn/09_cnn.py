# %% [markdown]
# # 09 Convolutional networks
#
# > **Interviewer:** Write a program that classifies images with a convolutional network. Now tell me
# > why it should beat a fully connected network of the same size, and under which conditions it
# > would not.
# >
# > **面试官：** 写一个用卷积神经网络做图像分类的程序。然后说说：参数量相同的全连接网络为什么不如它？什么情况下它反而没有优势？
#
# Questions answered here: P4, P12
#
# **What you will be able to say**
#
# - what a convolution computes, down to a loop that agrees with the library, and what shape each
#   array has on the way;
# - where the advantage over a dense network of equal size comes from, and an experiment that takes
#   it away again;
# - how far an image may move before the network fails: equivariance is not invariance;
# - how large the receptive field of a unit is, computed and measured;
# - what convolution costs next to the attention of a vision transformer.
#
# **Prerequisites.** [Chapter 01](01_evaluation.ipynb) for paired intervals,
# [chapter 13](13_training_speed.ipynb) for how a network is trained here.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("09_cnn")

# %% [markdown]
# ## Sixty-second answer
#
# A convolution slides one small set of weights over the image. That builds two beliefs into the
# network: neighbouring pixels belong together, and a pattern means the same wherever it stands. So it
# needs few weights, and when the image moves, its feature maps move along. With equal numbers of
# weights it beats a dense network on images, most of all when position varies. Shuffle the pixels of
# all images in the same way, and the advantage is gone: it was never the number of weights, it was the
# order of the pixels.
#
# What it does **not** buy is invariance. Pooling keeps shifts only by multiples of its stride, and the
# dense layers at the end still know positions, so I test with shifted images and augment. I quote
# the receptive field, because a unit cannot use what it does not see. In the program I say three
# things aloud: the input is (images, height, width, channels) scaled to [0, 1]; labels and loss must
# match, here whole numbers with sparse cross-entropy on logits; and the score comes from a test set
# that training has not touched.

# %% tags=["parameters"]
PROFILE: str = ""  # "quick", "full" or "gpu"; "" means $COURSE_PROFILE, else "quick"
SEED: int = 0  # fixes the initial weights, the order of the examples and every random shift
DATASET: str = ""  # an image set of the catalogue; "" means what the profile says
EPOCHS: int = 0  # passes of the CNN over the training images; 0 means what the profile says
TRAININGS: int = 0  # how often CNN and MLP are trained anew; 0 means what the profile says
FEW: int = 20  # training images of each class in the small set

# %% [markdown]
# ## The data
#
# Small grey images in ten classes, as an array of shape (images, height, width, channels) with values
# from 0 to 1. We add a frame of two empty pixels: now an image can move by two pixels and lose nothing.

# %%
import numpy as np

from helpers import data
from helpers.evidence import claim, say, start

run = start("09_cnn", PROFILE, SEED)
sizes = run.sizes(dataset=DATASET or ("digits", "fashion_mnist", "fashion_mnist"), train=(None, 20_000, None),
    epochs=EPOCHS or (8, 6, 8), moved_epochs=EPOCHS or (5, 4, 8), trainings=TRAININGS or (1, 2, 3),
    batch=(32, 64, 128), copies=(4, 1, 1), filters=((16, 32), (16, 32), (64, 128)))  # fmt: skip
images = data.load(sizes.dataset).subset(train=sizes.train, seed=SEED)
frame = ((0, 0), (2, 2), (2, 2), (0, 0))
x_train, x_test = np.pad(images.x_train, frame), np.pad(images.x_test, frame)
y_train, y_test, shape = images.y_train, images.y_test, x_train.shape[1:]
print(images.describe(), f"With the frame: {shape}.", sep="\n")

# %% [markdown]
# ## A convolution by hand
#
# What does the layer compute? A kernel of shape (height, width, channels in, channels out) lies on
# the top left corner of the image. Multiply what it covers, add up, and move on by one pixel:
#
# $$\text{out}_{i,j,o} = b_o + \sum_{r}\sum_{s}\sum_{c} \text{in}_{i+r,\,j+s,\,c}\; w_{r,s,c,o}.$$
#
# The loop below runs over the places in the kernel; for each of them one matrix product handles all
# positions and channels. The kernel must lie inside the image, so the output is smaller: `n - k + 1`.

# %%
from helpers.training import compile_classifier, fit_timed, prepare_keras

print(prepare_keras(run))
import keras

keras.config.set_dtype_policy("float32")  # Checks to the fifth digit need it, in every profile.


def convolve(x, kernel, bias=0.0):
    rows, columns = x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1
    total = 0.0
    for r, s in np.ndindex(kernel.shape[:2]):
        total = total + x[:, r : r + rows, s : s + columns] @ kernel[r, s]
    return total + bias


# %% tags=["nbval-check-output"]
def on_cpu(function, x):
    with keras.device("cpu"):  # a GPU may round products to fewer digits
        return keras.ops.convert_to_numpy(function(x))


colour = np.random.default_rng(SEED).random((4, 12, 12, 3), dtype="float32")
layer = keras.layers.Conv2D(8, kernel_size=3)
by_keras = on_cpu(layer, colour)
kernel, bias = (np.asarray(value, dtype=np.float64) for value in layer.get_weights())
turned = np.abs(convolve(colour, kernel[::-1, ::-1], bias) - by_keras).max()
say("With the kernel turned round, as mathematicians define convolution, the two differ by {d:.2f}.",
    d=turned)  # fmt: skip
claim("the convolution by hand equals the layer of Keras", np.abs(convolve(colour, kernel, bias) - by_keras).max(),
      id="hand_convolution", at_most=1e-5)  # fmt: skip

# %% [markdown]
# So the "convolution" of deep learning is what mathematics calls cross-correlation: the kernel is not
# turned. Since the weights are learned, nobody misses the turn; you notice it only when you carry
# kernels from one library to another.
#
# ## The whole program: two networks of equal size
#
# Now the program an interviewer wants to see. The CNN has two convolutions, each followed by a pooling
# that halves the image, then a dense layer. Its rival is a **multilayer perceptron** (MLP): two dense
# hidden layers of equal width, as wide as it takes to have **at least** as many weights.

# %% tags=["nbval-check-output"]
from helpers.costs import flops, layer_flops
from helpers.models import convolutional_network, dense_network
from helpers.tables import show_table

cnn, inputs = convolutional_network(shape, 10, sizes.filters, seed=SEED), int(np.prod(shape))
width = next(w for w in range(1, 9999) if (inputs + 1) * w + (w + 1) * (w + 10) >= cnn.count_params())  # fmt: skip
mlp = dense_network(shape, 10, (width, width), seed=SEED)
rows = [{"layer": part.name, "output": str(part.output.shape[1:]), "weights": part.count_params(), "operations": layer_flops(part)}
        for part in (*cnn.layers, *mlp.layers)]  # fmt: skip
show_table(rows, "CNN, then MLP: floating-point operations of one image", output="", weights=",", operations=",")  # fmt: skip
claim("the CNN has at most as many weights as the MLP", cnn.count_params() / mlp.count_params(), id="fewer_weights", at_most=1, unit="of the MLP's")  # fmt: skip
claim("the CNN computes several times more for each image", flops(cnn) / flops(mlp), id="more_operations", at_least=5, unit="x")  # fmt: skip

# %% [markdown]
# Read the table with two formulas. A convolution has $k^2 \cdot c_{in} \cdot c_{out} + c_{out}$
# weights, whatever the size of the image; each weight is used at every position, so it costs that many
# operations, times the positions, times two. **Few weights is not little work.** And most of the CNN's
# weights sit in the dense layer after `Flatten`, not in the convolutions.
#
# Both are trained on the same images. An epoch of the MLP is cheaper, so to be fair it gets **twice
# the epochs**. Each pair is compared image by image on the test set.

# %%
from helpers.evaluation import paired_difference


def train(model, x, y, epochs, batch_size=sizes.batch):
    compile_classifier(model, steps_per_execution=8)  # less time between the small steps
    fit_timed(model, (x, y), epochs=epochs, batch_size=batch_size)
    return model


def hits(model, x, y=y_test):
    parts = [model(x[i : i + 1000], training=False) for i in range(0, len(x), 1000)]
    return np.concatenate([keras.ops.convert_to_numpy(part).argmax(1) for part in parts]) == y


def train_pair(x, y, epochs, seed):
    cnn = convolutional_network(shape, 10, sizes.filters, seed=seed)
    mlp = dense_network(shape, 10, (width, width), seed=seed)
    return train(cnn, x, y, epochs), train(mlp, x, y, 2 * epochs)


# %% tags=["nbval-check-output"]
pairs = [train_pair(x_train, y_train, sizes.epochs, SEED + 1000 * turn) for turn in range(sizes.trainings)]  # fmt: skip
right = [[hits(model, x_test) for model in pair] for pair in pairs]
gaps = [paired_difference(*both, seed=SEED) for both in right]
rows = [{"CNN": a.mean(), "MLP": b.mean(), "CNN minus MLP": str(gap)} for (a, b), gap in zip(right, gaps, strict=True)]  # fmt: skip
show_table(rows, f"Accuracy on {len(y_test):,} test images; the difference with its 95 % interval", CNN=".4f", MLP=".4f")  # fmt: skip
cnn, mlp = pairs[0]
claim("in every training the CNN beats the MLP that was trained twice as long", min(gap.estimate for gap in gaps),
      id="cnn_better", at_least=0.005, unit="%", needs="full")  # fmt: skip
claim("the paired interval of the difference lies above zero in every training",
      min(gap.low for gap in gaps), id="cnn_better_interval", above=0, unit="%", needs="full")  # fmt: skip

# %% [markdown]
# On real photographs of clothes the CNN wins with no more weights. On the tiny digits of `quick` it
# does **not**, and the MLP may even be ahead: every digit was centred and scaled before it came to us,
# so a pixel means the same in every image and there is little left for a convolution to be good at.
# That already says where the advantage comes from, and the next sections put it to the test.
#
# ## When the image moves, the maps move along
#
# **Equivariance**: shift the input by one pixel, and each feature map is the old one shifted by one
# pixel. The edge is left out, where the frame comes in. Is it true of the trained layers?

# %% tags=["nbval-check-output"]
def maps(name, x):
    return on_cpu(keras.Model(cnn.inputs[0], cnn.get_layer(name).output), x)


def mismatch(name, pixels, cells, sample=x_test[:200]):
    old, new = np.roll(maps(name, sample), cells, 1), maps(name, np.roll(sample, pixels, 1))
    return float(np.abs(old - new)[:, 2:-2, 2:-2].mean() / np.abs(new).mean())


claim("a convolution layer is equivariant: its maps follow the image", mismatch("convolution_1", 1, 1), id="equivariance", at_most=1e-5, unit="of the mean")  # fmt: skip
claim("pooled maps follow a shift by the stride of the pooling", mismatch("pooling_1", 2, 1), id="pooling_even", at_most=1e-5, unit="of the mean")  # fmt: skip
claim("a shift by one pixel is no shift of the pooled maps at all",
      min(mismatch("pooling_1", 1, cells) for cells in (0, 1)), id="pooling_odd", at_least=0.05, unit="of the mean")  # fmt: skip

# %% [markdown]
# The convolution keeps its promise to the last digit. The pooling does not: with stride two it knows
# even shifts only, and an odd one gives other values, not the same values elsewhere
# ([Zhang 2019](https://arxiv.org/abs/1904.11486) blurs before pooling for this reason). Beyond it stands
# `Flatten`, after which each position has weights of its own.
#
# ## Two pixels to the side
#
# So how much does a shift by two pixels hurt the two networks, which have seen the images only where
# they are? We take the mean over four directions.

# %% tags=["nbval-check-output"]
def shifted_accuracy(model, pixels):
    ways = (pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)
    # The frame is empty, so nothing wraps round.
    return float(np.mean([hits(model, np.roll(x_test, way, axis=(1, 2))).mean() for way in ways]))


curves = {"CNN": [shifted_accuracy(cnn, p) for p in (0, 1, 2)], "MLP": [shifted_accuracy(mlp, p) for p in (0, 1, 2)]}  # fmt: skip
drops = {name: values[0] - values[2] for name, values in curves.items()}
claim("under a shift by two pixels the CNN loses less than the MLP", drops["MLP"] - drops["CNN"],
      id="shift_drop", at_least=0.04, unit="%")  # fmt: skip
claim("but the CNN is not invariant: it loses accuracy, too", drops["CNN"], id="not_invariant", at_least=0.03, unit="%")  # fmt: skip

# %% [markdown]
# "CNNs are translation invariant" is therefore a half-truth that costs points in an interview. The
# honest cure is in the data: train on moved images. Each training image is shifted at random by up
# to two pixels in each direction, and so are the test images.

# %% tags=["nbval-check-output"]
def scatter(x, seed, copies=1):
    steps = np.random.default_rng(seed).integers(-2, 3, (copies * len(x), 2))
    return np.stack([np.roll(x[i % len(x)], step, (0, 1)) for i, step in enumerate(steps)])


x_moved, y_moved = scatter(x_train, [SEED, 1], sizes.copies), np.tile(y_train, sizes.copies)
test_moved = scatter(x_test, [SEED, 2])
moved_cnn, moved_mlp = train_pair(x_moved, y_moved, sizes.moved_epochs, SEED)
gap = paired_difference(hits(moved_cnn, test_moved), hits(moved_mlp, test_moved), seed=SEED)
say("On moved images: CNN {a:.1%}, MLP {b:.1%}; paired interval of the difference {low:.1%} to {high:.1%}.",
    a=hits(moved_cnn, test_moved).mean(), b=hits(moved_mlp, test_moved).mean(), low=gap.low, high=gap.high)  # fmt: skip
claim("where position varies, the CNN beats the MLP with twice the epochs", gap.estimate,
      id="moved_better", at_least=0.015, unit="%")  # fmt: skip

# %%
from helpers.plots import figure, show

for name, model in (("CNN, moved images", moved_cnn), ("MLP, moved images", moved_mlp)):
    curves[name] = [shifted_accuracy(model, pixels) for pixels in (0, 1, 2)]
with figure() as (drawing, axes):
    for name, values in curves.items():
        axes.plot([0, 1, 2], values, marker="o", label=name)
    axes.set(title="Accuracy under a shift", xlabel="shift in pixels", ylabel="accuracy", xticks=[0, 1, 2])  # fmt: skip
    axes.legend()
    show(drawing, "Trained on images in one place, both fall; trained on moved images, both hold, the CNN from higher up.")  # fmt: skip

# %% [markdown]
# Augmentation makes **both** curves flat; the convolution decides how high they lie, because the MLP has
# to learn every pattern once for each place. It is not free: trained for as many steps on a harder task,
# both score lower on images that have not moved. Longer training buys some of that back.
#
# ## Take the neighbours away
#
# If the advantage is the order of the pixels, it must vanish when the order does. We draw one random
# order and put the pixels of **all** images, training and test, into it. No information is lost. An
# MLP cannot tell: its first layer is a sum over pixels, and sums have no order. What about the CNN?

# %% tags=["nbval-check-output"]
order = np.random.default_rng([SEED, 3]).permutation(shape[0] * shape[1])


def shuffle(x):
    return x.reshape(len(x), len(order), -1)[:, order].reshape(x.shape)


blind = convolutional_network(shape, 10, sizes.filters, seed=SEED)
train(blind, shuffle(x_moved), y_moved, sizes.moved_epochs)
lead = [hits(blind, shuffle(test_moved)).mean(), hits(moved_cnn, test_moved).mean()]
say("The same CNN: {a:.1%} with the pixels in order, {b:.1%} with the pixels shuffled.",
    a=lead[1], b=lead[0])  # fmt: skip
claim("with shuffled pixels the CNN falls behind the MLP",
      hits(moved_mlp, test_moved).mean() - lead[0], id="shuffled", above=0, unit="%")  # fmt: skip

# %% [markdown]
# Same weights, same images, same training; only the neighbours are gone, and with them the lead. This
# is what **inductive bias** means: a belief built into the network, of use where it is true. It also
# answers when *not* to take a CNN: for columns of a table, whose order means nothing.
#
# ## The receptive field, computed and measured
#
# How much of the image can one unit see? Follow it back. A kernel of width $k$ adds $k-1$ steps, and
# a step is worth the product of all strides before it, the **jump**:
#
# $$\text{size} \leftarrow \text{size} + (k-1)\cdot\text{jump}, \qquad \text{jump} \leftarrow \text{jump}\cdot\text{stride}.$$
#
# To check it, we change one pixel at a time, strongly, on random images, and note which pixels change
# the unit in the middle.


# %%
def influence(name, base, change):
    """Mean change of the middle unit when each pixel of the image `base` changes by `change`."""
    pixels = base.shape[0] * base.shape[1]
    probes = np.repeat(base[None], pixels + 1, axis=0)
    np.einsum("iic->ic", probes[1:].reshape(pixels, pixels, -1))[:] += change
    found = maps(name, probes)
    middle = found[:, found.shape[1] // 2, found.shape[2] // 2]
    return np.abs(middle[1:] - middle[0]).mean(axis=1).reshape(base.shape[:2])


# %% tags=["nbval-check-output"]
generator, size, jump, rows = np.random.default_rng([SEED, 4]), 1, 1, []
for name in ("convolution_1", "pooling_1", "convolution_2", "pooling_2"):
    k, stride = (3, 1) if name.startswith("convolution") else (2, 2)
    size, jump = size + (k - 1) * jump, jump * stride
    bases = generator.random((3, *shape), dtype="float32")
    seen = sum(influence(name, base, c) for base in bases for c in (-20, 20)) > 0
    rows.append({"layer": name, "jump": jump, "computed": size**2, "measured": int(seen.sum())})
show_table(rows, "Pixels in the receptive field of the middle unit")
claim("the receptive field computed is the one measured, in every layer",
      max(abs(row["computed"] - row["measured"]) for row in rows), id="receptive_field", equals=0, unit="pixels")  # fmt: skip

# %% [markdown]
# Pooling hardly widens the field itself, but it doubles the jump, so that every later kernel reaches
# twice as far. That is why networks halve the image and do not just stack 3x3 kernels.
#
# All pixels of the field *can* matter, not equally: the middle reaches the unit by many paths, the
# corners by one. The *effective* field is smaller than the computed one
# ([Luo et al. 2016](https://arxiv.org/abs/1701.04128)): if an object must be seen whole, plan a field
# that is clearly larger than it.
#
# ## What the first layer has learned
#
# Feature maps are the layer's outputs, one for each kernel. Here are the kernels that react most to
# one test image.

# %%
kernel = np.asarray(cnn.get_layer("convolution_1").kernel).mean(axis=2)
activity = maps("convolution_1", x_test[:1])[0]
strongest = np.argsort(-activity.mean(axis=(0, 1)))[:5]
top = [x_test[0].mean(axis=2), *kernel[..., strongest].transpose(2, 0, 1)]
bottom = [np.zeros((1, 1)), *activity[..., strongest].transpose(2, 0, 1)]
with figure(columns=6, rows=2, width=9, height=1.7) as (drawing, panels):
    for axes, picture in zip(panels.flat, top + bottom, strict=True):
        axes.imshow(picture, cmap="gray")
        axes.set_axis_off()
    show(drawing, "Top: one test image and five kernels. Bottom: the feature map of each kernel.",
         alt="A test image, five learned kernels of three by three weights, and below each its feature map.")  # fmt: skip

# %% [markdown]
# Compare a kernel with its map. Where the kernel is bright on one side and dark on the other, the map
# lights up along edges of that direction; a kernel that is bright all over copies the image; a dark
# one with a positive bias marks what is empty. Nobody asked for these: they are what the task needed.
# And do not read more into it: a map shows what a kernel answers to, not whether the decision depends
# on it.
#
# ## A small set, in the right shapes
#
# The second program of the question list has a handful of images and two classes. Everything that can
# go wrong is in the shapes, so say them aloud:
#
# - `x`: (images, height, width, channels), floats from 0 to 1; **one** image is `x[:1]`, never `x[0]`;
# - `y`: (images,), whole numbers from 0, as many as there are images;
# - output: (images, classes), logits for `SparseCategoricalCrossentropy(from_logits=True)`.

# %% tags=["nbval-check-output"]
from scipy.stats import beta

few = np.concatenate([np.flatnonzero(y_train == label)[:FEW] for label in (0, 1)])
rest = y_test < 2


def small_program(x_few, x_rest):
    model = train(convolutional_network(shape, 2, seed=SEED), x_few, y_train[few], 20, batch_size=8)
    return model, hits(model, x_rest, y_test[rest]).mean()


model, score = small_program(x_train[few], x_test[rest])
right = round(score * rest.sum())
sure = beta.ppf(0.05, right, rest.sum() - right + 1)  # exact, also when nothing is wrong
say("{n} training images, {m:,} others: accuracy {a:.1%}, at {level:.0%} confidence above {low:.1%}. One image gives {one}.",
    n=len(few), m=int(rest.sum()), a=score, level=0.95, low=sure, one=str(tuple(model(x_test[:1]).shape)))  # fmt: skip
claim("a few dozen images of two classes are enough when the shapes are right", score, id="small_set", at_least=0.8, unit="%")  # fmt: skip

# %% [markdown]
# Few test images need the bound more than any others: even without one error they cannot prove that
# there is none. With so few training images the next step is not a larger network but a pre-trained one (transfer learning).
#
# ## The trap
#
# A program for this question circulates that calls a `3 x 3` table of numbers "the image data set", with
# two labels. It looks right and cannot run. We follow someone who repairs one complaint after the
# other, and catch what Keras says.

# %%
from keras import layers

table, labels = np.arange(1.0, 10.0).reshape(3, 3), np.array([0, 1])


def network(shape, pooling=()):
    stack = [keras.Input(shape), layers.Conv2D(32, 3, activation="relu"), *pooling, layers.Flatten()]  # fmt: skip
    model = keras.Sequential([*stack, layers.Dense(2, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    return model


def caught(step):
    try:
        return f"runs: {step()}"
    except Exception as error:
        return type(error).__name__


# %% tags=["nbval-check-output"]
steps = [
    ("take the size from the table", "three rows of three numbers have no third axis", lambda: network((table.shape[1], table.shape[2], 1))),
    ("write the size by hand", "the convolution leaves one pixel: nothing to pool", lambda: network((3, 3, 1), [layers.MaxPooling2D()])),
    ("drop the pooling and train", "three rows, two labels", lambda: network((3, 3, 1)).fit(table, labels, verbose=0)),
    ("one image, one label", "this loss wants a one-hot row for each label", lambda: network((3, 3, 1)).fit(table.reshape(1, 3, 3, 1), labels[:1], verbose=0)),
    ("predict a row", "three numbers are no batch of images", lambda: network((3, 3, 1)).predict(np.array([[1, 2, 3]]), verbose=0)),
]  # fmt: skip
rows = [{"repair": name, "stops with": caught(step), "because": why} for name, why, step in steps]
show_table(rows, "A program repaired line by line")
claim("every single step of the circulating program stops with an error",
      sum("Error" in row["stops with"] for row in rows), id="printed_fails", equals=5, unit="of 5")  # fmt: skip

# %% [markdown]
# Errors are the kind mistakes. These two run to the end and print a number:
#
# - a file keeps its images as (height, width, channels, images), and `reshape` is used where the axes
#   had to be **moved**: the shape is right, the images are confetti;
# - the other listing on this list validates with `validation_split`, which takes the **last** part of
#   the arrays without shuffling, and never looks at its test set. We sort the training images by class.

# %% tags=["nbval-check-output"]
def confetti(x):  # as if a file kept (height, width, channels, images)
    return np.moveaxis(x, 0, -1).reshape(x.shape)  # np.moveaxis(..., -1, 0) would be right


wrong = small_program(confetti(x_train[few]), confetti(x_test[rest]))[1]
claim("reshaped instead of moved, the images teach far less, without any error", score - wrong, id="reshape_trap", at_least=0.2, unit="%")  # fmt: skip
some = images.subset(train=1000, seed=SEED)
by_class = np.argsort(some.y_train, kind="stable")
model, pair = convolutional_network(shape, 10, seed=SEED), (np.pad(some.x_train, frame)[by_class], some.y_train[by_class])  # fmt: skip
history = fit_timed(compile_classifier(model), pair, epochs=3, batch_size=32, validation_split=0.2).history  # fmt: skip
say("Validation says {v:.1%}, the test set {t:.1%}.", v=history["val_accuracy"][-1], t=hits(model, x_test).mean())  # fmt: skip
claim("on sorted data validation_split validates on classes that training never saw", history["val_accuracy"][-1],
      id="split_trap", at_most=0.05, unit="%")  # fmt: skip

# %% [markdown]
# ## At large-model scale
#
# Are convolutions obsolete? A vision transformer begins with one: cutting the image into patches and
# multiplying each with a matrix **is** a convolution whose stride equals its kernel size.
#
# After that the paths part. Count multiplications, each with its addition, for one layer on $n$
# positions of width $d$:
#
# | layer | multiply-adds | sees |
# |---|---|---|
# | 3x3 convolution | $9\,n\,d^2$ | one step to each side |
# | self-attention | $4\,n\,d^2$ (four projections) $+\ 2\,n^2 d$ (compare and mix all pairs) | everything |
# | two dense layers, $4d$ wide between | $8\,n\,d^2$ | its own position |
#
# Convolution and attention cost the same at $n = 2.5\,d$; beyond, the square wins. For width 768 and
# patches of 16 pixels that is an image of about 700 pixels a side. We check the arithmetic on ViT-B/16,
# which has 12 blocks of the last two rows.

# %% tags=["nbval-check-output"]
patches, few_images = layers.Conv2D(24, 4, strides=4), x_test[:8]
embedded, (height, side, channels) = on_cpu(patches, few_images), shape
matrix, bias = patches.get_weights()
cut = few_images.reshape(8, height // 4, 4, side // 4, 4, channels).swapaxes(2, 3)
tokens = cut.reshape(8, height // 4, side // 4, -1) @ matrix.reshape(-1, 24) + bias
claim("the patch embedding of a vision transformer is a convolution", np.abs(tokens - embedded).max(), id="patch_embedding", at_most=1e-5)  # fmt: skip
n, d = 14 * 14 + 1, 768  # the patches of 224 x 224 pixels, and the class token
blocks = 12 * (4 * n * d**2 + 2 * n**2 * d + 8 * n * d**2)
total = blocks + 14 * 14 * (16 * 16 * 3) * d + 1000 * d  # patch embedding and 1,000 classes
say("ViT-B/16 by this arithmetic: {total:.2f} billion multiply-adds for one image.", total=total / 1e9)  # fmt: skip
claim("the arithmetic gives the published cost of ViT-B/16", abs(total / 17.56e9 - 1), id="vit_cost", at_most=0.01, unit="%")  # fmt: skip

# %% [markdown]
# The published figures are 17.56 billion for
# [ViT-B/16](https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.vit_b_16.html)
# and 3.8 billion for [ResNet-50](https://arxiv.org/abs/1512.03385), table 1. What the inductive bias is
# worth at scale has been measured, too: trained on ImageNet alone, large vision transformers fall short
# of residual networks of comparable size, and pass them when pre-trained on 300 million images
# ([Dosovitskiy et al. 2021](https://arxiv.org/abs/2010.11929)). With a modern recipe plain
# convolutional networks keep up ([Liu et al. 2022](https://arxiv.org/abs/2201.03545);
# [Smith et al. 2023](https://arxiv.org/abs/2310.16764) at matched budgets). A belief built in saves
# data; enough data can replace it.
#
# ## Exercises
#
# Try each one before you open its solution. The check tells what is missing.
#
# ### Exercise 09.1: stride and padding
#
# Extend the convolution by hand. `x` has the shape (images, height, width, channels), `kernel`
# (k, k, channels in, channels out). First put `padding` zeros all round the image, then move the kernel
# by `stride` pixels at a time. Return (images, rows, columns, channels out).
#
# <details><summary>Hint</summary>
#
# A side of n pixels gives `(n + 2 * padding - k) // stride + 1` positions. A slice takes a step:
# `x[:, r : r + stride * rows : stride]` stops after `rows` of them if you leave off what is beyond.
#
# </details>


# %% tags=["exercise"]
def strided_convolution(x, kernel, stride=1, padding=0):
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import cnn as check

check.strided_convolution(strided_convolution)


# %% tags=["solution", "hide-cell"]
def strided_convolution(x, kernel, stride=1, padding=0):
    k = kernel.shape[0]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = ((side - k) // stride + 1 for side in x.shape[1:3])
    total = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for r, s in np.ndindex(k, k):
        window = x[:, r : r + stride * rows : stride, s : s + stride * columns : stride]
        total += window[:, :rows, :columns] @ kernel[r, s]
    return total


check.strided_convolution(strided_convolution)

# %% [markdown]
# ### Exercise 09.2: receptive field with dilation
#
# A kernel with **dilation** $e$ leaves gaps: its weights lie $e$ pixels apart. Given `layers`, a list of
# (kernel, stride, dilation) from the first layer to the last, return two whole numbers: the size of the
# receptive field and the jump.
#
# <details><summary>Hint</summary>
#
# A dilated kernel of width k covers `(k - 1) * dilation + 1` positions of its input.
#
# </details>


# %% tags=["exercise"]
def receptive_field(layers):
    raise NotImplementedError


# %% tags=["check"]
check.receptive_field(receptive_field)


# %% tags=["solution", "hide-cell"]
def receptive_field(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size, jump


check.receptive_field(receptive_field)

# %% [markdown]
# ### Exercise 09.3: rows into images
#
# A table holds one square grey image in each row: `side * side` whole numbers from 0 to 255, row by row.
# Return them as a batch a CNN can take: float32, (images, side, side, 1), from 0 to 1. A single row of
# shape (side * side,) becomes a batch of one. Rows of another length raise a `ValueError`.
#
# <details><summary>Hint</summary>
#
# `np.atleast_2d` makes a table of one row. The channel is the **last** axis.
#
# </details>


# %% tags=["exercise"]
def rows_to_images(rows, side):
    raise NotImplementedError


# %% tags=["check"]
check.rows_to_images(rows_to_images)


# %% tags=["solution", "hide-cell"]
def rows_to_images(rows, side):
    rows = np.atleast_2d(rows)
    if rows.shape[1] != side * side:
        raise ValueError(f"A row has {rows.shape[1]} numbers; {side * side} make an image.")
    return rows.reshape(-1, side, side, 1).astype("float32") / 255


check.rows_to_images(rows_to_images)

# %% [markdown]
# ## Quiz

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("09_cnn")

# %% [markdown]
# ## What the interviewer asks next
#
# **Why max pooling, and what replaces it?** It halves the maps, doubles the jump and keeps the
# strongest answer. A convolution with stride two does the same with weights. Both lose odd shifts.
#
# **How would you make the CNN above more robust to shifts?** Augment, as we did. In the network:
# global average pooling instead of `Flatten`, so that no layer knows positions, and a blur before each
# stride. Measure with shifted test images, not with the usual ones.
#
# **The training accuracy is perfect and the test accuracy is not. What now?** More or augmented data
# first, then regularisation or a pre-trained network; a *smaller* dense layer after `Flatten`, where
# most weights are.
#
# **Which output and loss for two classes?** Two logits with sparse cross-entropy, or one logit with
# binary cross-entropy. One unit with softmax is the classic bug: softmax of a single number is always 1.
#
# **A weak answer** recites convolution, pooling, fully connected, says that CNNs are translation
# invariant, and prints training accuracy. **A good answer** writes the program with the right shapes,
# derives weights and output sizes, and tests on held-out images. **A strong answer** names weight sharing
# and locality as beliefs, says how to test each (shift, shuffle), computes a receptive field, counts
# operations, and knows when data can replace the bias.
#
# ## Takeaways
#
# - A convolution is a small matrix product repeated at every position: few weights, much work.
# - Convolution layers are equivariant; networks with strides and `Flatten` are not invariant.
# - The advantage over a dense network lies in the order of pixels: shuffle them and it is gone.
# - Receptive field: add (kernel - 1) times the jump; strides multiply the jump.
# - Right shapes are not enough: `reshape` in place of moved axes, and a validation split of sorted
#   data, run without an error.
#
# ## References
#
# - LeCun, Bottou, Bengio, Haffner 1998, *Gradient-based learning applied to document recognition*:
#   <https://doi.org/10.1109/5.726791>
# - Araujo, Norris, Sim 2019, *Computing receptive fields of convolutional neural networks*:
#   <https://doi.org/10.23915/distill.00021>
# - Luo, Li, Urtasun, Zemel 2016, *Understanding the effective receptive field*:
#   <https://arxiv.org/abs/1701.04128>
# - Azulay, Weiss 2019, *Why do deep convolutional networks generalize so poorly to small image
#   transformations?*: <https://arxiv.org/abs/1805.12177>
# - Zhang 2019, *Making convolutional networks shift-invariant again*: <https://arxiv.org/abs/1904.11486>
# - He, Zhang, Ren, Sun 2016, *Deep residual learning*: <https://arxiv.org/abs/1512.03385>
# - Dosovitskiy et al. 2021, *An image is worth 16x16 words*: <https://arxiv.org/abs/2010.11929>
# - Liu et al. 2022, *A ConvNet for the 2020s*: <https://arxiv.org/abs/2201.03545>
# - Smith et al. 2023, *ConvNets match vision transformers at scale*: <https://arxiv.org/abs/2310.16764>
