# %% [markdown]
# # 11 Attention and transformers
#
# > **Interviewer:** Classify text with attention, then combine convolution and self-attention. What does
# > attention compute, what does it cost, and how does a language model use it to write?
# >
# > **面试官：** 请用注意力机制做文本分类，再把卷积和自注意力结合起来。注意力到底在算什么、代价是多少？语言模型又是怎样靠它一个词一个词写出来的？
#
# Questions answered here: P11, P17
#
# **What you will be able to say**
#
# - what scaled dot-product attention computes, line by line, and how masks and positions enter;
# - how to classify text with it, alone and after a convolution, and which listings only look as if they did;
# - how a GPT is built and trained, and what its score means next to a trigram model;
# - why a key-value cache makes generation fast, and what it costs in memory.
#
# **Prerequisites.** [Chapter 01](01_evaluation.ipynb) for bits per byte,
# [chapter 13](13_training_speed.ipynb) for how a network is trained here.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("11_attention")

# %% [markdown]
# ## Sixty-second answer
#
# Attention is a lookup that averages. Every token asks with a query, every token offers a key and a value.
# The query is compared with all keys by a dot product, divided by the square root of their width. A softmax
# turns the scores into weights that add up to one, and the result is the weighted mean of the values.
# Several heads do this side by side.
#
# Three things are not in the formula and must be added. **Padding** has to be masked, or it votes. **Order**
# has to be put in, because a set of tokens has none: by positions, or by a convolution in front. And a
# language model needs the **causal mask**, so that no token sees what it is to predict.
#
# For classification I pool the attended tokens with the mask and compare with a linear model on word
# counts. For generation I cache keys and values: a new token then costs one row instead of the whole text.
# The price is memory, which grows with layers, key-value heads and tokens. That is why large models share
# key-value heads among queries.

# %% tags=["parameters"]
PROFILE: str = ""  # "quick", "full" or "gpu"; "" means $COURSE_PROFILE, else "quick"
SEED: int = 0  # fixes initial weights, windows, order of the examples and samples
STEPS: int = 0  # training steps of the language model; 0 means what the profile says
WIDTH: int = 0  # width of the language model; 0 means what the profile says
EPOCHS: int = 0  # passes of the classifiers over their texts; 0 means what the profile says
TEMPERATURE: float = 0.7  # of the sampled text; 0 takes the most likely byte each time

# %% [markdown]
# ## The data
#
# Labelled texts for the classifiers: docstrings whose package is to be guessed in `quick`, film reviews,
# good or bad, in `full`. And one long text for the language model: Python's help in `quick`, Shakespeare in
# `full`. Its last tenth is held out.

# %%
from helpers import data
from helpers.evidence import claim, record, say, start

run = start("11_attention", PROFILE, SEED)
films, plays = "movie_reviews", "tiny_shakespeare"
sizes = run.sizes(
    texts=("docstrings", films, films), text=("python_docs", plays, plays), words=(96, 200, 400),
    epochs=EPOCHS or (3, 6, 8), width=WIDTH or (64, 96, 256), layers=(2, 3, 6),
    steps=STEPS or (320, 1500, 6000), batch=(16, 16, 128), compile=(False, True, True),
)  # fmt: skip
documents, text = data.documents(sizes.texts), data.text(sizes.text).encode()
cut = len(text) * 9 // 10  # the last tenth is held out
print(f"{len(documents.texts_train):,} labelled texts, and one text of {len(text):,} bytes")

# %% [markdown]
# ## Attention in three lines
#
# What does the layer compute? With queries $Q$, keys $K$ and values $V$, one row for each token,
#
# $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\!\left(Q K^T / \sqrt{d} + B\right) V.$$
#
# Without the $\sqrt{d}$ the scores would grow with the width $d$, and the softmax would pick one key and
# learn nothing more ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)). $B$ is whatever else a score
# should know: minus infinity hides a key, and later it will carry the positions.
#
# Is that all there is to Keras's layer? Below we take the layer's own weights, do the sums in NumPy and
# compare.

# %%
import numpy as np

from helpers.training import compile_classifier, fit_timed, prepare_keras

print(prepare_keras(run))
import keras
from keras import layers, ops
from scipy.special import erf


def attention(query, key, value, bias=0.0):  # (..., tokens, width) each
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1]) + bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ value


# %% tags=["nbval-check-output"]
layer = layers.MultiHeadAttention(num_heads=4, key_dim=8, use_bias=False, dtype="float32")
x = np.random.default_rng(SEED).normal(size=(2, 10, 32)).astype("float32")  # (texts, tokens, width)
by_layer = np.asarray(layer(x, x))
*inputs, output = (np.asarray(weight) for weight in layer.weights)  # query, key, value; output
q, k, v = (np.einsum("btd,dhk->bhtk", x, kernel) for kernel in inputs)
by_hand = np.einsum("bhtk,hkd->btd", attention(q, k, v), output)
claim("attention by hand equals Keras's layer", np.abs(by_hand - by_layer).max(),
      id="hand_attention", at_most=1e-5)  # fmt: skip

# %% [markdown]
# It is: those three lines, four heads side by side, a matrix before and a matrix after.
#
# ## Order is invisible
#
# Does attention know which word came first? We shuffle the tokens and average the layer's output over
# them, as a classifier does. Then once more with a convolution of three tokens in front.

# %% tags=["nbval-check-output"]
convolution = keras.layers.Conv1D(32, 3, padding="same", activation="relu", dtype="float32")
shuffled = x[:, np.random.default_rng(SEED + 1).permutation(x.shape[1])]


def pooled(tokens, front=lambda tokens: tokens):
    found = front(tokens)
    return np.asarray(layer(found, found)).mean(axis=1)


claim("without positions, attention does not notice that the tokens were shuffled",
      np.abs(pooled(x) - pooled(shuffled)).max(), id="order_invisible", at_most=1e-5)  # fmt: skip
seen = np.abs(pooled(x, convolution) - pooled(shuffled, convolution)).max()
claim("with a convolution in front the same shuffle changes the result", seen,
      id="convolution_sees_order", at_least=1e-3)  # fmt: skip

# %% [markdown]
# Attention treats tokens as a set. Order comes from outside: positions added to tokens or to scores, or a
# convolution, which sees neighbours in their order.
#
# ## Classify text with attention
#
# Words become numbers. Zero is padding, because texts of a batch have to be equally long; one stands for
# words too rare to be in the vocabulary. Of a long text we keep the end, where a review gives its verdict.

# %%
import re
from collections import Counter

parts = documents.texts_train, documents.texts_test
split = [[re.findall(r"[a-z']+", text.lower()) for text in part] for part in parts]
common = Counter(word for words in split[0] for word in words).most_common(5000)
index = {word: number for number, (word, _) in enumerate(common, start=2)}
rows = [[index.get(word, 1) for word in words[-sizes.words :]] for words in split[0] + split[1]]
table = np.array([ids + [0] * (sizes.words - len(ids)) for ids in rows], np.int32)
x_train, x_test = np.split(table, [len(parts[0])])
y_train, y_test = documents.labels_train, documents.labels_test
say("{words} words and {empty:.0%} padding in a table of {texts} texts.", words=sizes.words,
    empty=float((table == 0).mean()), texts=len(table))  # fmt: skip

# %% [markdown]
# The model: embedding, self-attention with a residual connection, a mean over the real tokens, logits. The
# mask enters twice, in the attention and in the mean. One switch puts a convolution in front, which makes
# it the second program the interviewer asked for.


# %%
def text_classifier(convolution, masked=True):
    tokens = keras.Input((None,), dtype="int32")
    real = ops.cast(ops.not_equal(tokens, 0) if masked else ops.ones_like(tokens), "float32")
    column, size = ops.expand_dims(real, 2), len(index) + 2
    x = layers.Dropout(0.3)(layers.Embedding(size, 32)(tokens) * column)
    if convolution:
        x = layers.Conv1D(32, 3, padding="same", activation="relu")(x) * column
    attended = layers.MultiHeadAttention(4, 8)(x, x, attention_mask=ops.expand_dims(real, 1))
    x = layers.LayerNormalization()(x + attended) * column
    mean = layers.Dropout(0.3)(ops.sum(x, axis=1) / ops.maximum(ops.sum(column, axis=1), 1))
    return keras.Model(tokens, layers.Dense(len(documents.class_names), dtype="float32")(mean))


# %% [markdown]
# Both are trained in the same way. The yardstick is the baseline a strong candidate names first:
# logistic regression on weighted word counts (TF-IDF), which has neither order nor attention.

# %%
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from helpers.evaluation import accuracy

linear = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
score = {"words, linear": linear.fit(parts[0], y_train).score(parts[1], y_test)}
models = {"attention": text_classifier(False), "convolution + attention": text_classifier(True)}
for name, model in models.items():
    compile_classifier(model, 3e-3)
    fit_timed(model, (x_train, y_train), epochs=sizes.epochs, batch_size=32)
    score[name] = accuracy(y_test, model.predict(x_test, verbose=0))
say("Attention gets {share:.1%} of the test texts right.", share=score["attention"])

# %% tags=["nbval-check-output"]
from helpers.tables import show_table

majority = np.bincount(y_test).max() / len(y_test)
show_table([{"model": "most frequent class", "accuracy": majority}]
           + [{"model": name, "accuracy": share} for name, share in score.items()],
           "Accuracy on the test texts", accuracy=".3f")  # fmt: skip
claim("attention classifies far better than the most frequent class", score["attention"] - majority,
      id="attention_learns", at_least=0.1, unit="%")  # fmt: skip
claim("convolution with self-attention does so too", score["convolution + attention"] - majority,
      id="convolution_learns", at_least=0.1, unit="%")  # fmt: skip

# %% [markdown]
# Both programs work. Read the second row before you praise them: with so few labelled texts, a linear model
# on word counts is hard to beat, and often is not beaten. Attention earns its place with more data, or with
# pre-training, which chapter 12 shows.
#
# ## Padding must not vote
#
# What does the mask do? We take the trained weights, leave the mask out, and append more padding to the test
# texts. Not a word has changed, so no prediction may change.


# %% tags=["nbval-check-output"]
def changed_by_padding(model, more=2):
    longer = np.pad(x_test, ((0, 0), (0, more * sizes.words)))
    labels = [model.predict(t, verbose=0).argmax(axis=1) for t in (x_test, longer)]
    return float(np.mean(labels[0] != labels[1]))


unmasked = text_classifier(False, masked=False)
unmasked.set_weights(models["attention"].get_weights())
claim("with the mask, extra padding changes no prediction", changed_by_padding(models["attention"]),
      id="mask_holds", equals=0, unit="%")  # fmt: skip
claim("without the mask, extra padding changes predictions", changed_by_padding(unmasked),
      id="padding_votes", at_least=0.02, unit="%")  # fmt: skip

# %% [markdown]
# Without the mask the answer depends on how long the *longest* text of the batch happens to be.
#
# ## A GPT, by hand
#
# A language model predicts the next token. Ours reads **bytes**: 256 tokens write every text, nothing is
# unknown, and the loss is bits per byte, so that models of any kind compare on the same file.
#
# Two numbers are added to each score. The **causal mask** hides every later token. And a **distance bias**
# puts the order in: each head subtracts its own slope times the distance, so near tokens count more
# ([Press et al. 2022](https://arxiv.org/abs/2108.12409)). It has no weights, and it works beyond the length
# of the training windows; a learned table of positions does not. The rest is a loop over blocks.
# `build_gpt` builds the same in Keras, for training; both have to give the same logits.

# %%
from helpers.language_models import build_gpt, gpt_sizes


def norm(x, gamma, beta):
    x = x - x.mean(axis=-1, keepdims=True)
    return gamma * x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5) + beta


def block(x, w, bias, heads=4):  # w: name of a part -> its weights
    h = norm(x, *w["norm_1"])
    parts = (np.split(h @ w[part][0], heads, axis=-1) for part in ("query", "key", "value"))
    x = x + np.concatenate(attention(*map(np.array, parts), bias), axis=-1) @ w["output"][0]
    h = norm(x, *w["norm_2"]) @ w["mlp_up"][0] + w["mlp_up"][1]
    h = h * (1 + erf(h / np.sqrt(2))) / 2  # the activation GELU
    return x + h @ w["mlp_down"][0] + w["mlp_down"][1]


# %% tags=["nbval-check-output"]
gpt = build_gpt(256, context=288, width=sizes.width, layers=sizes.layers, heads=4, seed=SEED)
weights = {layer.name: [np.asarray(w) for w in layer.get_weights()] for layer in gpt.layers}
tokens = np.frombuffer(text[cut : cut + 48], np.uint8).astype(np.int32)
distance = np.subtract.outer(np.arange(48), np.arange(48))
bias = np.where(distance < 0, -np.inf, -gpt_sizes(gpt).slopes[:, None, None] * distance)
x = weights["token_embedding"][0][tokens]
for place in range(1, sizes.layers + 1):
    x = block(x, {n.removeprefix(f"block_{place}_"): w for n, w in weights.items()}, bias)
logits = norm(x, *weights["final_norm"]) @ weights["logits"][0]
claim("the GPT by hand equals the one in Keras",
      np.abs(logits - np.asarray(gpt(tokens[None]))[0]).max(), id="hand_gpt", at_most=1e-4)  # fmt: skip

# %% [markdown]
# Does the mask really hide the future? For every place in a text we replace **all** tokens from there on
# and look at the logits before it.

# %% tags=["nbval-check-output"]
rng, before = np.random.default_rng(SEED), np.asarray(gpt(tokens[None]))[0]
futures = np.tile(tokens, (len(tokens) - 1, 1))
for place, row in enumerate(futures, start=1):
    row[place:] = (row[place:] + rng.integers(1, 256, len(row) - place)) % 256
after = np.asarray(gpt(futures))
moved = [np.abs(row[:place] - before[:place]).max() for place, row in enumerate(after, start=1)]
say("{weights:,} weights, {places} changed futures.", weights=gpt.count_params(), places=len(moved))
claim("no future token changes a past logit", max(moved), id="causal", at_most=1e-6)

# %% [markdown]
# That is why one pass trains on every position of a window at once: each one predicts its next byte
# without having seen it.
#
# ## Train it, and measure it against a trigram
#
# A fair yardstick: a **trigram** model counts which byte follows which two, with Witten-Bell smoothing.
# Counting takes a moment and needs no training. The GPT learns from short random windows of the same text,
# with an optimizer made for weight matrices, Muon ([Jordan et al. 2024](https://kellerjordan.github.io/posts/muon/)).

# %%
from helpers.language_training import bits_per_byte_of, train_language_model
from helpers.ngrams import count_trigrams

trigram_bits = count_trigrams(text[:cut]).bits_per_byte(text[cut:])
trained = train_language_model(gpt, text[:cut], steps=sizes.steps, batch=sizes.batch, seed=SEED)
gpt_bits = bits_per_byte_of(gpt, text[cut:])
record("trigram_bits", trigram_bits, "bits per byte", "held-out bytes, trigram model")
say("Held-out tenth: trigram {trigram:.2f}, GPT {gpt:.2f} bits per byte, after {seen:,} training bytes.",
    trigram=trigram_bits, gpt=gpt_bits, seen=trained.tokens)  # fmt: skip

# %% tags=["nbval-check-output"]
from helpers.plots import figure, show

with figure() as (drawing, axes):
    axes.plot(trained.steps, trained.losses, marker="o", label="GPT, while training")
    axes.axhline(trigram_bits, color="black", linestyle="--", label="trigram, held out")
    axes.set(title="The GPT learns", xlabel="training steps", ylabel="bits per byte")
    axes.legend()
    show(drawing, "Training loss of the GPT; the dashed line is the trigram's held-out score.")
claim("the GPT needs fewer bits per byte than the trigram model, on the same held-out bytes",
      trigram_bits - gpt_bits, id="beats_trigram", above=0, unit="bits per byte")  # fmt: skip
claim("it needs fewer than 2.6 bits per byte of Shakespeare", gpt_bits, id="shakespeare_bits",
      below=2.6, unit="bits per byte", needs="full")  # fmt: skip

# %% [markdown]
# A trigram sees two bytes back. The GPT sees whole words and their neighbours, and that is where its advantage
# comes from. Both are scored on every byte of the held-out tenth; the windows of the GPT overlap by half, so
# that all but the first bytes have context. What does it write? Below, each byte is drawn from its probabilities; a temperature below
# one sharpens them.

# %%
from helpers.generation import Decoder, Recomputer, generate, to_text

prompt = text[cut : cut + 32]
written = generate(gpt, prompt, 200, temperature=TEMPERATURE, seed=SEED)
print(to_text(prompt) + "|" + to_text(written))

# %% [markdown]
# Left of the bar stands the prompt. The text looks like what the model has read, down to its layout, and
# means nothing: meaning takes far more weights and far more text.
#
# ## The key-value cache
#
# To write a token, the model needs keys and values of all tokens before it. They do not change when the text
# grows, because nothing looks ahead. So a decoder **keeps** them and computes one row for each new token.
# Without a cache it computes the whole text again each time. Same tokens? How much faster?

# %% tags=["nbval-check-output"]
import time

engines = {"cached": Decoder(gpt, sizes.compile), "recomputed": Recomputer(gpt, sizes.compile)}
written, seconds = {}, {}
for name, engine in engines.items():
    generate(gpt, prompt, 256, engine=engine)  # compiles
    begin = time.perf_counter()
    written[name] = generate(gpt, prompt, 256, engine=engine)
    seconds[name] = time.perf_counter() - begin
claim("cached and recomputed generation write the same tokens",
      np.sum(written["cached"] != written["recomputed"]), id="cache_equal", equals=0, unit="tokens")  # fmt: skip
claim("the cache makes 256 new tokens at least twice as fast", seconds["recomputed"] / seconds["cached"],
      id="cache_speed", at_least=2, unit="x", needs="full", repeatable=False)  # fmt: skip

# %% [markdown]
# The gain grows with the text: recomputing pays for every token again, the cache for one. It is bought
# with memory: a key and a value for each layer and token.
#
# ## The trap
#
# The listing that circulates puts `Attention()` after a recurrent layer that returns **one vector per
# text**, and trains on five made-up texts without a test set. As printed it stops at once, because the layer
# wants a list. The repair that people then find is `Attention()([x, x])`, and now it runs. On what?


# %%
def vector_classifier():
    tokens = keras.Input((None,), dtype="int32")
    vector = layers.GlobalAveragePooling1D()(layers.Embedding(len(index) + 2, 32)(tokens))
    vector = layers.Attention()([vector, vector])  # (texts, width): no axis of tokens is left
    return keras.Model(tokens, layers.Dense(len(documents.class_names), dtype="float32")(vector))


def changed_by_company(model):
    order = np.argsort(y_test, kind="stable")  # the same texts, in other batches
    alone, sorted_ = (
        model.predict(x_test[o], verbose=0).argmax(axis=1) for o in (np.arange(len(order)), order)
    )
    return float(np.mean(alone[order] != sorted_))


# %% tags=["nbval-check-output"]
trap = compile_classifier(vector_classifier(), 3e-3)
fit_timed(trap, (x_train, y_train), epochs=sizes.epochs, batch_size=32)
claim("attention over whole-text vectors: other texts in the batch change predictions",
      changed_by_company(trap), id="batch_leak", at_least=0.05, unit="%")  # fmt: skip
claim("attention over tokens: the company of a text does not matter",
      changed_by_company(models["attention"]), id="batch_independent", equals=0, unit="%")  # fmt: skip

# %% [markdown]
# With one vector per text, the only axis left to attend over is the **batch**: each text is averaged with
# strangers. In the listing's batches of one text, the softmax runs over a single score, gives one, and
# the layer does nothing at all. No error tells. The cure is to keep the token axis (`return_sequences=True`),
# to pass the mask, and to pool afterwards. The second listing has the same flaw, and feeds a table with two
# axes to `Conv2D`, which wants images; a sequence wants `Conv1D`.
#
# ## At large-model scale
#
# Two tables decide what long texts cost: the scores, $n^2$ for each head and layer, and the cache. Sizes of
# a 70-billion-weight model from [Llama Team 2024](https://arxiv.org/abs/2407.21783): 80 layers, 64 query
# heads, 8 key-value heads of width 128, 2 bytes a number. Redo the arithmetic:

# %%
layers_, query_heads, kv_heads, head, two_bytes = 80, 64, 8, 128, 2
rows = []
for tokens_ in (1, 8192, 131072):
    full_cache = 2 * layers_ * query_heads * head * tokens_ * two_bytes
    scores_ = query_heads * tokens_**2 * two_bytes
    rows.append({"tokens": tokens_, "cache, 64 heads (GB)": full_cache / 1e9,
                 "cache, 8 heads (GB)": full_cache * kv_heads / query_heads / 1e9,
                 "scores of one layer (GB)": scores_ / 1e9})  # fmt: skip
number = ",.4f"
show_table(rows, "Memory of one text in a 70-billion-weight model", tokens=",",
           **{name: number for name in list(rows[0])[1:]})  # fmt: skip

# %% [markdown]
# - **FlashAttention** never stores the scores: it works through them in tiles that fit the chip's fast
#   memory, so memory grows with $n$ while the arithmetic stays $n^2$
#   ([Dao et al. 2022](https://arxiv.org/abs/2205.14135)).
# - **Grouped-query attention** lets 8 query heads share a key-value head: an eighth of the cache, at almost
#   the same quality ([Ainslie et al. 2023](https://arxiv.org/abs/2305.13245)).
# - The cache of one long text can outgrow the weights' share of a GPU, so servers keep it in pages
#   ([Kwon et al. 2023](https://arxiv.org/abs/2309.06180)) and store it in fewer bits
#   ([chapter 19](19_quantization.ipynb)).
#
# ## Exercises
#
# ### Exercise 11.1: causal attention
#
# Write `causal_attention(query, key, value)` in NumPy for arrays of shape (tokens, width): scaled
# scores, no look ahead, softmax, weighted mean.
#
# <details><summary>Hint</summary>
#
# `np.triu_indices(n, 1)` are the places above the diagonal. Hide them before the softmax, and not after.
#
# </details>


# %% tags=["exercise"]
def causal_attention(query, key, value):
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises.attention import check_causal_attention, check_kv_cache_bytes

check_causal_attention(causal_attention)


# %% tags=["solution", "hide-cell"]
def causal_attention(query, key, value):
    scores = query @ key.T / np.sqrt(query.shape[-1])
    scores[np.triu_indices(len(scores), 1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ value


check_causal_attention(causal_attention)

# %% [markdown]
# ### Exercise 11.2: what a cache costs
#
# Write `kv_cache_bytes(layers, kv_heads, head_size, tokens, bytes_per_value)`: the bytes that the cache of one
# text takes. Then try your GPT: `Decoder(gpt).cache_bytes` knows the answer.


# %% tags=["exercise"]
def kv_cache_bytes(layers, kv_heads, head_size, tokens, bytes_per_value):
    raise NotImplementedError


# %% tags=["check"]
check_kv_cache_bytes(kv_cache_bytes)


# %% tags=["solution", "hide-cell"]
def kv_cache_bytes(layers, kv_heads, head_size, tokens, bytes_per_value):
    return 2 * layers * kv_heads * head_size * tokens * bytes_per_value


check_kv_cache_bytes(kv_cache_bytes)

# %% [markdown]
# ## Quiz

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("11_attention")

# %% [markdown]
# ## What the interviewer asks next
#
# **Why several heads?** Each head has one set of weights per token, so it can follow one relation at a
# time. Several narrow heads cost as much as one wide head and follow several relations.
#
# **Why divide by the square root of the width?** The dot product of two independent vectors with unit
# variance has a variance equal to the width. Dividing brings it back to one, so the softmax starts soft and
# has a gradient.
#
# **Why is training parallel and writing not?** In training all tokens are known and the mask keeps
# every position honest, so one pass trains all of them. In writing each token depends on the one before.
#
# **When would you not use attention?** Few labels and short texts: a linear model on word counts. Very long
# signals with local structure: convolutions or state-space models, because scores grow with the square.
#
# **Do attention weights explain a prediction?** Not by themselves: different weights can give the same output.
# Chapter 22 measures explanations.
#
# *A weak answer* recites "the model focuses on what matters" and puts an `Attention()` layer somewhere.
# *A good answer* writes the formula, the mask and the shapes. *A strong answer* also names the baseline, tests
# causality and padding as we did, and says what the cache costs at the length the product needs.
#
# ## Takeaways
#
# - Attention is a softmax-weighted mean of values; masks and positions are numbers added to its scores.
# - It sees a set. Order comes from positions or from a convolution.
# - Test it: equal to a hand computation, blind to the future, blind to padding, blind to the batch.
# - A GPT is worth its training only if it beats counting, on the same held-out bytes.
# - The cache trades memory for time and changes no token.
#
# ## References
#
# - Vaswani et al. 2017, [Attention is all you need](https://arxiv.org/abs/1706.03762)
# - Press, Smith and Lewis 2022, [Train short, test long](https://arxiv.org/abs/2108.12409)
# - Jordan et al. 2024, [Muon](https://kellerjordan.github.io/posts/muon/), the optimizer that trained the GPT
# - Witten and Bell 1991, [The zero-frequency problem](https://doi.org/10.1109/18.87000)
# - Dao et al. 2022, [FlashAttention](https://arxiv.org/abs/2205.14135)
# - Ainslie et al. 2023, [Grouped-query attention](https://arxiv.org/abs/2305.13245)
# - Llama Team 2024, [The Llama 3 herd of models](https://arxiv.org/abs/2407.21783)
