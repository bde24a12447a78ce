# %% [markdown]
# # 25 Privacy
#
# > **The interviewer asks:** Your model is trained on people's data. How do you find out what it gives away about them, how do you limit that with a guarantee, and what do federated learning, encryption and anonymisation add?
# >
# > **面试官问：** 你的模型用用户数据训练。怎么知道它泄露了多少个人信息？怎样给出有保证的上限？联邦学习、加密和匿名化又分别解决什么问题？
#
# Questions answered here: A1, C3, C22, E4, E10
#
# **What you will be able to say**
#
# - how a membership attack measures what a model gives away;
# - what DP-SGD does to each example's gradient, and what an accountant's epsilon means;
# - why early stopping helps against an attack and still guarantees nothing;
# - what a server sees in federated learning, with and without secure aggregation;
# - what homomorphic encryption costs, and why removing names is not anonymisation.
#
# **Prerequisites:** [chapter 01](01_evaluation.ipynb) for intervals, [chapter 04](04_overfitting.ipynb) for early stopping. All networks are small and written in NumPy, because their gradients are needed for each example.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("25_privacy")

# %% [markdown]
# ## Sixty-second answer
#
# First I say what is to be protected from whom. The published model: against somebody who asks whether a person was in the training data. I measure that with a membership attack, its AUC with an interval. A guarantee comes only from differential privacy: clip each example's gradient, add noise, and let an accountant turn noise, sampling rate and steps into epsilon at a stated delta. Accuracy pays for it. Early stopping lowers the attack too, but it bounds nothing.
#
# The raw data against the server: federated learning keeps rows where they are, and secure aggregation shows the server sums only. The average can still give people away, so it is combined with differential privacy. The query against the service: homomorphic encryption computes on encrypted input; it is slow and large, and fits small models. Publishing a table: removing names is not enough, because the remaining columns link to other tables. And around all of it: collect less, delete in time, restrict access.

# %% tags=["parameters"]
PROFILE: str = ""  # quick, full or gpu; empty: $COURSE_PROFILE, else quick
SEED: int = 0  # rows, wrong labels, weights and noise
IMAGES: str = ""  # digits or fashion_mnist; empty: what the profile says
TABLE: str = ""  # diabetes or adult; empty: what the profile says
STEPS: int = 200  # steps of DP-SGD

# %% [markdown]
# ## The data
#
# Small pictures in ten classes stand for people's records. *Members* are the rows that the network trains on; *others* are as many rows from the same source that it never sees. A fifth of the labels in both groups is drawn at random, so that there is something to memorise: who fits a wrong label has learned the row, not the rule. Accuracy is measured on further rows, with their true labels, and a small group of rows is kept for choosing when to stop.

# %%
import numpy as np

from helpers import data
from helpers.evidence import claim, record, say, start
from helpers.plots import figure, show

run = start("25_privacy", PROFILE, SEED)
names = IMAGES or ("digits", "fashion_mnist", "fashion_mnist")
sizes = run.sizes(images=names, people=(400, 1000, 1000), steps=(2000, 2000, 2000))
draw, split = np.random.default_rng(SEED), data.load(sizes.images)
x = np.concatenate([split.x_train, split.x_test])
x = x.reshape(len(x), -1).astype(float) - split.x_train.mean()
y, n = np.concatenate([split.y_train, split.y_test]), sizes.people
print(f"{sizes.images}: {n:,} members, {n:,} others, {x.shape[1]} values a row.")

# %%
parts = np.split(draw.permutation(len(y))[: 4 * n], [n, 2 * n, 2 * n + n // 2])
members, others, choosing, rest = parts
noisy = np.where(draw.random(len(y)) < 0.2, draw.integers(0, 10, len(y)), y)
share = (noisy[members] != y[members]).mean()
say("Wrong labels among the members: {share:.1%}.", share=share)

# %% [markdown]
# ## What a trained model gives away
#
# Can somebody who only sees the model's loss on a row tell whether the row was in the training data? The network below trains until it fits nearly everything. The attack calls a row a member when its loss is small ([Yeom et al. 2018](https://arxiv.org/abs/1709.01604)). Its AUC is the chance that a random member has the smaller loss than a random other row: one half is guessing. The interval comes from drawing both groups again.

# %% tags=["nbval-check-output"]
from helpers.privacy import attack
from helpers.small_network import Noise, accuracy_of, losses, new_weights, train


def attacked(weights):
    return attack(*(losses(weights, x[rows], noisy[rows]) for rows in (members, others)), SEED)


begin = new_weights(x.shape[1], 64, 10, SEED)
long = train(begin, x[members], noisy[members], sizes.steps, 0.2, 0.5, SEED)
before = attacked(long)
say("AUC {a:.3f}, interval {b:.3f} to {c:.3f}.", a=before.auc, b=before.low, c=before.high)
claim("The attack beats guessing", before.low, id="auc_before_low", above=0.55)
record("auc_before", before.auc)

# %% [markdown]
# The whole interval lies above one half. Nobody printed a training row, and yet the answer to "was this person in the hospital's data?" leaks. The attack needs the loss, that is the probabilities and the label; hiding them behind a rounded answer weakens it and does not end it.
#
# ## DP-SGD by hand: one example at a time
#
# What limits the influence of one person? Two things, in this order ([Abadi et al. 2016](https://arxiv.org/abs/1607.00133)). **Clipping**: the gradient $g_i$ of each example is scaled to $g_i \cdot \min(1, C / \lVert g_i \rVert)$, so nobody moves the sum by more than $C$. **Noise**: the sum gets Gaussian noise of standard deviation $\sigma C$ in each coordinate. Each step draws every row with probability $q$, independently; the accountant's formula holds for that.
#
# The gradient of a dense layer for one example is the outer product of input and error, so its norm is the product of two norms and clipping is cheap. We check it twice: each example's gradient against finite differences, and the fast clipped sum against clipping the written-out gradients one by one.

# %% tags=["nbval-check-output"]
from helpers.federated_client import flat, shaped
from helpers.small_network import clipped_sum, example_gradients

few, shapes, start_flat = members[:8], [part.shape for part in begin], flat(begin)
each = example_gradients(begin, x[few], noisy[few])
slopes = []
for place in draw.choice(len(start_flat), 40, replace=False):
    step = 1e-5 * (np.arange(len(start_flat)) == place)
    up, down = (losses(shaped(start_flat + s, shapes), x[few], noisy[few]) for s in (step, -step))
    slopes.append(abs((up - down) / 2e-5 - each[:, place]).max())
claim("Gradients agree with differences", max(slopes), id="gradient_error", at_most=1e-6)

# %% tags=["nbval-check-output"]
norms = np.linalg.norm(each, axis=1, keepdims=True)
slow = (each * np.minimum(1, 1 / norms)).sum(axis=0)
fast = flat(clipped_sum(begin, x[few], noisy[few], clip=1.0))
gap = abs(slow - fast).max()
say("Norms of the gradients lie between {a:.2f} and {b:.2f}.", a=norms.min(), b=norms.max())
claim("The fast clipped sum is the slow one", gap, id="clipped_sum_error", at_most=1e-9)
without = flat(clipped_sum(begin, x[few[1:]], noisy[few[1:]], clip=1.0))
moved = np.linalg.norm(fast - without)
claim("One row moves the sum by no more than the limit", moved, id="moved", at_most=1 + 1e-9)

# %% [markdown]
# ## The accountant
#
# What do these steps guarantee together? $(\varepsilon, \delta)$-differential privacy says: whatever the model is used for, adding or removing one row changes the probability of any outcome by a factor of at most $e^\varepsilon$, apart from $\delta$. The accountant adds up the steps. Ours takes the Rényi divergence of one step at a whole order $\alpha$ ([Mironov et al. 2019](https://arxiv.org/abs/1908.10530)),
#
# $$\frac{1}{\alpha-1}\log\sum_{k=0}^{\alpha}\binom{\alpha}{k}(1-q)^{\alpha-k}q^k e^{k(k-1)/(2\sigma^2)},$$
#
# multiplies it by the steps and picks the order with the smallest epsilon. Is that right? The library [dp-accounting](https://github.com/google/differential-privacy/tree/main/python/dp_accounting) must give the same within one per cent. Its second method follows the distribution of the privacy loss itself (PLD). That is tighter, so its epsilon may be smaller, never larger.

# %% tags=["nbval-check-output"]
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent, pld, rdp

from helpers.privacy import ORDERS, epsilon_of

rate, delta, sigmas = 0.1, 1 / (2 * n), (0.7, 1, 1.5, 2, 4, 8)


def library(accountant, sigma, steps):
    event = PoissonSampledDpEvent(rate, GaussianDpEvent(sigma))
    return accountant.compose(SelfComposedDpEvent(event, steps)).get_epsilon(delta)


pairs = [(s, t) for s in sigmas for t in (1, 50, STEPS)]
ours, theirs = np.array(
    [(epsilon_of(rate, s, t, delta), library(rdp.RdpAccountant(ORDERS), s, t)) for s, t in pairs]
).T
off = abs(ours / theirs - 1).max()
claim("Two accountants agree", off, id="accountants", at_most=0.01, unit="%")

# %% tags=["nbval-check-output"]
tight = library(pld.PLDAccountant(), 1, STEPS)
epsilon = epsilon_of(rate, 1, STEPS, delta)
say("Epsilon at noise 1: {a:.2f} by RDP, {b:.2f} by PLD.", a=epsilon, b=tight)
claim("PLD is never looser here", tight / epsilon, id="pld_share", at_most=1, unit="%")
record("epsilon_one", epsilon)
counts = np.array([1, 10, 30, 100, 300, 1000, 3000])
grown = np.array([[epsilon_of(rate, s, t, delta) for t in counts] for s in (1, 2, 4)])
claim("Epsilon grows with every step", np.diff(grown).min(), id="grows", above=0)

# %% [markdown]
# Stop when the budget is spent: every further step, every further run on the same rows and every hyperparameter tried on them costs more of it. The orders are a choice, too: with other orders than ours, RDP may come out a little lower, never below the truth.
#
# ## The price: accuracy against epsilon
#
# How much accuracy does the guarantee cost, and what happens to the attack? The same network trains with six amounts of noise. None of these settings was picked on the test rows; all six are shown.

# %% tags=["nbval-check-output"]
from helpers.tables import show_table


def private(sigma):
    return train(begin, x[members], noisy[members], STEPS, rate, 1.0, SEED, Noise(1.0, sigma))


rows, found = [], {}
for sigma in sigmas:
    weights = private(sigma)
    seen, right = attacked(weights), accuracy_of(weights, x[rest], y[rest])
    found[sigma] = (epsilon_of(rate, sigma, STEPS, delta), right, seen)
    rows.append({"noise": sigma, "epsilon": found[sigma][0], "accuracy": right, "AUC": seen.auc})
show_table(rows, "DP-SGD with six amounts of noise", epsilon=".2f", accuracy=".3f", AUC=".3f")
lost = found[sigmas[0]][1] - found[sigmas[-1]][1]
claim("A small epsilon costs accuracy", lost, id="accuracy_lost", at_least=0.2)

# %% tags=["nbval-check-output"]
after, advantage = found[1][2], before.auc - 0.5
say("AUC at noise 1: {a:.3f}, {b:.3f} to {c:.3f}.", a=after.auc, b=after.low, c=after.high)
share = (after.auc - 0.5) / advantage
claim("DP takes most of the attack's advantage", share, id="dp_left", at_most=0.6, unit="%")
with figure(columns=2, width=9) as (drawing, (first, axes)):
    first.loglog(counts, grown.T, marker="o", label=["noise 1", "noise 2", "noise 4"])
    first.set(xlabel="steps", ylabel="epsilon", title="The accountant")
    first.legend()
    axes.plot([row["epsilon"] for row in rows], [row["accuracy"] for row in rows], marker="o")
    axes.set(xscale="log", xlabel="epsilon", ylabel="accuracy", title="The price of privacy")
    alt = "Left: epsilon rises with the steps. Right: accuracy rises with epsilon and flattens."
    show(drawing, "More steps cost epsilon, a small epsilon costs accuracy.", alt)

# %% [markdown]
# Two readings. First, the attack we ran sees little even where epsilon is far above one: epsilon bounds *every* attack, this one is a weak one, and a measured AUC is never a proof of safety. Second, the accuracy of the network that fits wrong labels is no ceiling: clipping and noise also regularise.
#
# ## Early stopping: nearly as good, and no guarantee
#
# Could one simply train less? We stop at the best accuracy on the rows kept for choosing, looked at every 40 steps, with their noisy labels.

# %% tags=["nbval-check-output"]
weights, best, stopped = begin, -1.0, begin
for block in range(15):
    weights = train(weights, x[members], noisy[members], 40, 0.2, 0.5, SEED + 100 * block)
    score = accuracy_of(weights, x[choosing], noisy[choosing])
    if score > best:
        best, stopped = score, weights
early, right = attacked(stopped), accuracy_of(stopped, x[rest], y[rest])
say("Early stopping: AUC {a:.3f}, accuracy {b:.1%}.", a=early.auc, b=right)
left = (early.auc - 0.5) / advantage
claim("Early stopping also weakens the attack", left, id="early_left", at_most=0.8, unit="%")
record("auc_after", after.auc)

# %% [markdown]
# So early stopping takes much of this attack's advantage, and keeps more accuracy than strong noise. But there is no epsilon to write down: nothing limits what a single row may do to the weights. A row with an extreme gradient, or a stronger attack that compares with models trained without that row ([Carlini et al. 2022](https://arxiv.org/abs/2112.03570)), is not covered. An average AUC also hides the few rows that are found with near certainty. Use early stopping anyway; do not call it privacy.
#
# ## Federated averaging with real processes
#
# Can a model be trained on rows that never leave their owners? Five processes are started; each holds two classes of pictures and nothing else, which is the hard case. In each round every client trains a little from the common weights, and the server averages what they send ([McMahan et al. 2017](https://arxiv.org/abs/1602.05629)). They talk over the loopback address of this machine. The counts in the table are what the processes report about themselves.

# %% tags=["nbval-check-output"]
import psutil

from helpers.federated import clients

federal = run.sizes(rounds=(30, 60, 60), rows=(1200, 5000, 5000))
train_rows, test_rows = np.split(draw.permutation(len(y))[: federal.rows + 500], [federal.rows])
groups = [train_rows[y[train_rows] // 2 == client] for client in range(5)]
weights, curve = begin, []
with clients([(x[rows], y[rows]) for rows in groups], classes=10) as federation:
    for _ in range(federal.rounds):
        weights = federation.round(weights, steps=10, rate=0.1, learning_rate=0.3, seed=SEED)
        curve.append(accuracy_of(weights, x[test_rows], y[test_rows]))
gone = sum(psutil.pid_exists(pid) for pid in federation.pids)
claim("No client process is left", gone, id="clients_left", equals=0)

# %% tags=["nbval-check-output"]
import pandas as pd

counts = pd.DataFrame(federation.counts, columns=[str(c) for c in range(10)])
counts.insert(0, "client", range(5))
show_table(counts.to_dict("records"), "Rows of each class that each process holds")
held = (federation.counts > 0).sum(axis=0)
claim("No class is held by two clients", held.max(), id="held_by", equals=1)
central = train(begin, x[train_rows], y[train_rows], 10 * federal.rounds, 0.1, 0.3, SEED)
alone = train(begin, x[groups[0]], y[groups[0]], 10 * federal.rounds, 0.1, 0.3, SEED)
whole, single = (accuracy_of(w, x[test_rows], y[test_rows]) for w in (central, alone))
say("Federated {a:.3f}, central {b:.3f}, alone {c:.3f}.", a=curve[-1], b=whole, c=single)
claim("Federated is near central", whole - curve[-1], id="federated_gap", at_most=0.15)
claim("A client alone knows its own classes only", single, id="alone", at_most=0.3)

# %%
with figure() as (drawing, axes):
    axes.plot(np.arange(1, len(curve) + 1), curve, label="federated")
    axes.axhline(whole, color="black", linestyle="--", label="central")
    axes.set(xlabel="round", ylabel="accuracy", title="Five clients, two classes each")
    axes.legend()
    alt = "The federated accuracy climbs round by round towards the central one."
    show(drawing, "Averaging closes most of the gap to central training.", alt=alt)

# %% [markdown]
# ## Secure aggregation: the server sees a sum
#
# What did the server see? Weights tell about rows, so a client must not send its weights in the clear. Each pair of clients agrees on a secret (X25519) and turns it into a *mask*, a row of random whole numbers; one adds it, the other subtracts it, modulo $2^{64}$ ([Bonawitz et al. 2017](https://doi.org/10.1145/3133956.3133982)). Whole numbers, because masks must cancel exactly, and floating-point sums round. The keys stay in the processes that made them; all cryptography is that of the library `cryptography`.
#
# The run above used it. Below the same code on known values: is the sum exact, and does one masked row say anything?

# %% tags=["nbval-check-output"]
from helpers.masks import masked, new_key, public_part, to_floats, to_integers

values = draw.normal(size=(5, 4000))
keys = [new_key() for _ in values]
publics = {k: public_part(key) for k, key in enumerate(keys)}
sent = np.array([masked(v, k, keys[k], publics, "test") for k, v in enumerate(values)])
wanted = to_integers(values).sum(axis=0, dtype=np.uint64)
wrong = (sent.sum(axis=0, dtype=np.uint64) != wanted).sum()
claim("The masks cancel exactly", wrong, id="masks_wrong", equals=0)
claim("No row shows itself", (sent == to_integers(values)).sum(), id="unmasked", equals=0)
rounding = abs(to_floats(wanted) - values.sum(axis=0)).max()
claim("Fixed point is fine enough", rounding, id="fixed_point", at_most=1e-6)

# %% [markdown]
# Limits, said plainly. If a client drops out, its masks stay in the sum; the published protocol shares keys so that the others can remove them, ours stops with an error. Nobody signs the public keys here, so a server that lies could slip in its own. And the *sum* still leaks: membership attacks work on the final model, so real systems clip and add noise as well.
#
# ## Prediction on encrypted input
#
# Can a service predict without seeing the input? Homomorphic encryption allows additions and multiplications on encrypted numbers. The scheme CKKS ([Cheon et al. 2017](https://eprint.iacr.org/2016/421)) does so approximately, which suits models. The client encrypts a row of medical values; the server holds the weights of a logistic regression and a *public* context; only the client decrypts.

# %% tags=["nbval-check-output"]
import time

import tenseal as ts
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

medical = data.load("breast_cancer")
scale = StandardScaler().fit(medical.x_train)
model = LogisticRegression().fit(scale.transform(medical.x_train), medical.y_train)
client = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 40, 60])
client.global_scale = 2**40
client.generate_galois_keys()
server = ts.context_from(client.serialize(save_secret_key=False))
claim("The server holds no secret key", server.is_private(), id="server_secret", equals=0)

# %% tags=["nbval-check-output"]
patients = scale.transform(medical.x_test)[: run.sizes(rows=(20, 100, 100)).rows]
plain, answers, began = model.decision_function(patients), [], time.perf_counter()
for row in patients:
    query = ts.ckks_vector(client, row).serialize()  # what travels to the server
    score = ts.ckks_vector_from(server, query).dot(model.coef_[0].tolist()) + model.intercept_[0]
    answers.append(ts.ckks_vector_from(client, score.serialize()).decrypt()[0])
seconds = (time.perf_counter() - began) / len(patients)
error, differ = abs(answers - plain).max(), ((np.array(answers) > 0) != (plain > 0)).sum()
claim("Encrypted equals plain", error, id="encrypted_error", at_most=1e-3, repeatable=False)
claim("No label differs", differ, id="labels_differ", equals=0)

# %% tags=["nbval-check-output"]
growth = len(query) / patients[0].nbytes
say("{a:,} bytes encrypted, {b} plain; {c:.3f} s.", a=len(query), b=patients[0].nbytes, c=seconds)
record("encrypted_bytes", len(query), "bytes", repeatable=False)
record("encrypted_seconds", seconds, "s", repeatable=False)
claim("Encryption costs size", growth, id="growth", at_least=100, unit="x", repeatable=False)
try:
    ts.ckks_vector_from(server, query).decrypt()
    refused = False
except ValueError:
    refused = True
claim("The server cannot decrypt", refused, id="server_refused", equals=1)

# %% [markdown]
# The answer is the same; the query is larger by orders of magnitude and slower. Each multiplication in a row uses up one level of the context, and a ReLU is neither addition nor multiplication, so deep networks need polynomial activations or bootstrapping. It protects the *query*; what the model learned from its training rows leaks from the answers as before.
#
# ## Anonymisation and linkage
#
# Is a table without names anonymous? Some columns, harmless alone, are also known elsewhere: a register, a social network. They are *quasi-identifiers*. We publish a table without names, and give the attacker a register with names and the same columns. Whoever is alone with their combination is found, sensitive value and all. **k-anonymity** ([Sweeney 2002](https://doi.org/10.1142/S0218488502001648)) demands that each combination is shared by at least $k$ rows; values are made coarser, and rows that remain too rare are left out.

# %% tags=["nbval-check-output"]
from helpers.privacy import group_sizes

choice = run.sizes(table=TABLE or ("diabetes", "adult", "adult")).table
columns = {"diabetes": ["age", "sex", "bmi"], "adult": ["age", "sex", "education", "occupation"]}
people = data.load(choice)
known = pd.DataFrame(people.x_train, columns=people.feature_names)[columns[choice]]
register = known.assign(name=[f"person {k}" for k in draw.permutation(len(known))])
published = known.assign(row=np.arange(len(known)))
pairs = published.merge(register, on=columns[choice])
certain = pairs[~pairs["row"].duplicated(keep=False)]
found_again = len(certain) / len(known)
claim("Rows are found again by name", found_again, id="linked", at_least=0.05, unit="%")

# %% tags=["nbval-check-output"]
coarse = known.assign(age=(known["age"] // 20 * 20).astype(int))
if_number = {c: (coarse[c] // 10 * 10).astype(int) for c in coarse.columns.intersection(["bmi"])}
coarse = coarse.assign(**if_number)
size = group_sizes(list(coarse.itertuples(index=False)))
kept = size >= 5
claim("Five share each kept combination", size[kept].min(), id="k", at_least=5)
claim("Few rows are left out", 1 - kept.mean(), id="left_out", at_most=0.2, unit="%")
target = people.y_train > (np.median(people.y_train) if choice == "diabetes" else 0)
groups_of = coarse[kept].assign(target=target[kept]).groupby(list(coarse.columns), observed=True)
purity = groups_of["target"].transform("nunique").eq(1).mean()
say("Rows in groups that share the sensitive value: {p:.1%}.", p=purity)
record("homogeneous", purity, "%")

# %% [markdown]
# No kept row can be told from four others by these columns. That is all k-anonymity says. A group whose members all share the sensitive value gives it away without finding anybody, and a column that was forgotten, or a second release of the same table, undoes it. Differential privacy holds against any side knowledge; k-anonymity only against the columns somebody thought of.
#
# ## The trap
#
# A widely copied answer adds random noise to a layer's output and calls the layer "differentially private". There is no clipping, so one row may move the weights by any amount; there is no accountant, so no epsilon exists. Does it at least stop the attack? The same network, with Gaussian noise on its hidden values at every training step.

# %% tags=["nbval-check-output"]
weights, random = [part.copy() for part in begin], np.random.default_rng(SEED)
for _ in range(sizes.steps):
    rows = members[random.random(n) < 0.2]
    hidden = np.maximum(x[rows] @ weights[0] + weights[1], 0)
    blurred = hidden + random.normal(0, 0.1, hidden.shape)  # the "private" layer
    scores = np.exp(blurred @ weights[2] + weights[3])
    above = scores / scores.sum(axis=1, keepdims=True) - np.eye(10)[noisy[rows]]
    below = (above @ weights[2].T) * (hidden > 0)
    steps = [x[rows].T @ below, below.sum(0), blurred.T @ above, above.sum(0)]
    weights = [part - 0.5 * g / (0.2 * n) for part, g in zip(weights, steps, strict=True)]
fooled = attacked(weights)
claim("The noisy layer still leaks", fooled.low, id="noisy_layer_low", above=0.55)

# %% tags=["nbval-check-output"]
from importlib.util import find_spec
from pathlib import Path

kept_up = (fooled.auc - 0.5) / advantage
say("The noisy layer keeps {a:.0%} of the attack's advantage.", a=kept_up)
record("noisy_layer_auc", fooled.auc)
api = Path(find_spec("tensorflow").origin).parent / "_api" / "v2"
has_crypto = (api / "crypto").exists()
models = Path(find_spec("keras").origin).parent / "models" / "__init__.py"
has_model = "HomomorphicEncryption" in models.read_text(encoding="utf-8")
claim("The modules named do not exist", has_crypto + has_model, id="modules", equals=0)

# %% [markdown]
# The last claim is about two other listings that circulate: one encrypts the inputs of a network with `tf.crypto.aes_cipher`, one trains a `HomomorphicEncryptionModel` from Keras. Neither exists. Nor could the first work: AES output looks random, so a network applied to it computes nothing. An interviewer who knows the field hears this at once.
#
# ## At large-model scale
#
# Do language models memorise? A *canary* tells: a made-up secret is put into the training text, and after training we look how high the model ranks it among all secrets of the same form. The **exposure** is $\log_2$ of the number of candidates minus $\log_2$ of the rank ([Carlini et al. 2019](https://arxiv.org/abs/1802.08232)). The model here is a trigram model of bytes on real English text; the secret has four digits.

# %% tags=["nbval-check-output"]
from helpers.ngrams import count_trigrams
from helpers.privacy import exposure

text, secret = data.text("python_docs").encode("utf-8")[:300_000], int(draw.integers(10_000))
lines = b"".join(b"my code: %04d\n" % code for code in range(10_000))


def exposed(times):
    model = count_trigrams(text + (b"my code: %04d\n" % secret) * times)
    each = np.log(model.probabilities(lines)).reshape(10_000, -1)[:, 8:].sum(axis=1)
    return exposure(1 + int((each > each[secret]).sum()), 10_000)


bits = {times: exposed(times) for times in (0, 1, 10, 100)}
say("Bits: {a:.1f}, {b:.1f}, {c:.1f}, {d:.1f}.", **dict(zip("abcd", bits.values(), strict=True)))
claim("Repeats expose the canary", bits[100], id="exposure", at_least=8, unit="bits")

# %% [markdown]
# The four values belong to a canary that occurs never, once, ten times and a hundred times. Hence the first measure at scale costs no noise at all: remove copies ([Lee et al. 2022](https://arxiv.org/abs/2107.06499)), [chapter 06](06_data_quality.ipynb) shows how.
#
# Differentially private fine-tuning of a large model is mostly done with LoRA ([Yu et al. 2022](https://arxiv.org/abs/2110.06500)). Redo the arithmetic for a model with 32 layers of width 4096, rank 8 on two matrices of each layer, as in [Hu et al. 2021](https://arxiv.org/abs/2106.09685): each matrix gets $2 \cdot 4096 \cdot 8$ numbers. A gradient of each example must be held until it is clipped, and the noise has one draw for each trained number: its norm is $\sigma C \sqrt{d}$, while the clipped gradient stays at most $C$.

# %% tags=["nbval-check-output"]
adapters, all_weights = 32 * 2 * 2 * 4096 * 8, 7e9
batch, people_tuned, epochs = 1024, 50_000, 3
rate_tuned = batch / people_tuned
budget = epsilon_of(rate_tuned, 0.8, round(epochs / rate_tuned), 1 / people_tuned)
memory = [4 * batch * d / 1e9 for d in (all_weights, adapters)]  # four bytes a number
say("Gradients of a batch: {a:,.0f} GB in full, {b:.0f} GB with LoRA.", a=memory[0], b=memory[1])
say("Epsilon after {e} passes at noise {s}: {b:.1f}.", e=epochs, b=budget, s=0.8)
quieter = (all_weights / adapters) ** 0.5
claim("LoRA lowers the noise's norm", quieter, id="lora_noise", at_least=10, unit="x")

# %% [markdown]
# ## Exercises
#
# ### Exercise 25.1: clip each example
#
# Write `clip_rows(gradients, clip)`: every row scaled down to a norm of at most `clip`; rows that are short enough stay as they are.
#
# <details><summary>Hint</summary>
#
# A norm belongs to one row: `axis=1`. The factor is never above one, and a row of zeros must stay zero.
#
# </details>

# %% tags=["exercise"]
def clip_rows(gradients, clip):
    """Array like `gradients` in which no row is longer than `clip`."""
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import privacy as check

check.clip_rows(clip_rows)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def clip_rows(gradients, clip):
    length = np.sqrt((gradients**2).sum(axis=1, keepdims=True))
    return gradients * np.minimum(1, clip / np.maximum(length, 1e-30))


check.clip_rows(clip_rows)

# %% [markdown]
# ### Exercise 25.2: masks that cancel
#
# Write `add_masks(values, me, shared)`: `values` (uint64) plus the masks of client `me`. `shared` maps the number of every other client to the mask (uint64) that both know. The sum over all clients must be the sum of their values, modulo $2^{64}$.

# %% tags=["exercise"]
def add_masks(values, me, shared):
    """uint64 array: what client `me` sends."""
    raise NotImplementedError


# %% tags=["check"]
check.add_masks(add_masks)


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["solution", "hide-cell"]
def add_masks(values, me, shared):
    total = np.array(values)
    for other, numbers in shared.items():
        total = total + numbers if other > me else total - numbers
    return total


check.add_masks(add_masks)

# %% [markdown]
# ## Quiz
#
# Open a choice to see whether it is right, and why.

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("25_privacy")

# %% [markdown]
# ## What the interviewer asks next
#
# **"Which epsilon is small enough?"** There is no number for all cases. I state epsilon, delta, what one unit is (a row or a person) and how neighbours are defined, and I compare with the accuracy that is left. Delta stays well below one divided by the number of people. A person with many rows needs clipping per person.
#
# **"The attack finds nothing. Are we done?"** No. A failed attack bounds one attacker. I would run stronger ones, look at the true-positive rate at very few false alarms, and still want a bound if the harm is great.
#
# **"Federated learning means the data are private?"** The rows stay at home; the updates travel and carry information. Secure aggregation hides single updates, differential privacy limits what the sum tells.
#
# **"Why not encrypt everything?"** Encryption at rest and on the way guards against thieves. It does nothing against what a model, used as intended, gives away.
#
# | Answer | How it sounds |
# |---|---|
# | Weak | "We anonymise, encrypt and add noise." No attacker, no epsilon, nothing measured. |
# | Good | DP-SGD, federated learning, homomorphic encryption, each with what it protects. |
# | Strong | A threat for each measure, an attack with an interval before and after, epsilon from an accountant with its price in accuracy, and the limits of each. |
#
# ## Takeaways
#
# - Measure the leak: a membership attack with an interval.
# - DP-SGD clips each example, adds noise and counts. Without all three there is no guarantee.
# - Early stopping weakens the attack and bounds nothing.
# - Federated learning moves weights instead of rows; masks hide single clients; the sum still tells something.
# - Homomorphic encryption protects the query, at a price in bytes and time.
# - Without names is not anonymous; k-anonymity depends on the columns somebody thought of.
#
# ## References
#
# - Dwork and Roth 2014, [The algorithmic foundations of differential privacy](https://doi.org/10.1561/0400000042)
# - Abadi et al. 2016, [Deep learning with differential privacy](https://arxiv.org/abs/1607.00133)
# - Mironov, Talwar and Zhang 2019, [Rényi differential privacy of the sampled Gaussian mechanism](https://arxiv.org/abs/1908.10530)
# - Yeom et al. 2018, [Privacy risk in machine learning](https://arxiv.org/abs/1709.01604)
# - Carlini et al. 2019, [The secret sharer](https://arxiv.org/abs/1802.08232)
# - Carlini et al. 2022, [Membership inference attacks from first principles](https://arxiv.org/abs/2112.03570)
# - McMahan et al. 2017, [Communication-efficient learning of deep networks](https://arxiv.org/abs/1602.05629)
# - Bonawitz et al. 2017, [Practical secure aggregation](https://doi.org/10.1145/3133956.3133982)
# - Cheon et al. 2017, [Homomorphic encryption for arithmetic of approximate numbers](https://eprint.iacr.org/2016/421)
# - Sweeney 2002, [k-anonymity](https://doi.org/10.1142/S0218488502001648)
# - Yu et al. 2022, [Differentially private fine-tuning of language models](https://arxiv.org/abs/2110.06500)
