# %% [markdown]
# # 06 Data quality
#
# > **The interviewer asks:** Your training data come from several sources, people labelled them, and a crawler fetched a part of them twice. How do you make sure that bad rows never reach the model, and how would you prove next year which data a model was trained on?
# >
# > **面试官问：** 训练数据来自多个渠道，标签由人工标注，还有一部分是爬虫重复抓取的。怎么保证坏数据进不了模型？一年以后，又怎么证明某个模型到底是用哪些数据训练的？
#
# Questions answered here: C16, C18, E24
#
# **What you will be able to say**
#
# - what a data contract is, which faults it stops and which it cannot see;
# - why `dropna()` and a three-sigma filter are decisions and not cleaning;
# - how copies across the split flatter a score, and how to find copies that were edited;
# - how confident learning finds wrong labels, and when repairing them does not pay;
# - how content hashes, recorded steps and a data card answer "which data was that?".
#
# **Prerequisites:** [chapter 01](01_evaluation.ipynb). All models are ready-made ones from scikit-learn.

# %% tags=["hide-input"]
from helpers.resources import resource_card

resource_card("06_data_quality")

# %% [markdown]
# ## Sixty-second answer
#
# I treat data like code: there is a contract, it is checked on every delivery, and nothing gets in unchecked. The contract says what a column means: type, range, allowed values, what may be empty, which key is unique, which columns must agree. A row that breaks it goes to quarantine with the reason; it is not silently repaired. A contract cannot see believable lies, so I also look at distributions and at labels.
#
# Missing values and outliers are questions to the producer. Dropping rows biases the table when the gap depends on the value, and an outlier is often the most interesting good row. Copies are removed before the split, near-copies too, with MinHash when there are many texts. Wrong labels I look for with out-of-fold predictions and confident learning, have people check them, and I keep the cleaned labels only if they help on a test set with checked labels. Every version has a content hash, every step is recorded with the hash of what it left, and a data card says what is in it, what was refused and what is known to be wrong.

# %% tags=["parameters"]
PROFILE: str = ""  # quick, full or gpu; empty: $COURSE_PROFILE, else quick
SEED: int = 0  # faults, gaps, copies, wrong labels and splits
TABLE: str = ""  # diabetes or adult; empty: what the profile says
IMAGES: str = ""  # a set of images with ten classes; empty: what the profile says
TEXTS: str = ""  # docstrings or movie_reviews; empty: what the profile says
FAULTS: int = 500  # bad rows that are put into the delivery
NOISE: float = 0.3  # share of the labels that are made wrong

# %% [markdown]
# ## The data
#
# A table of people, as it arrives from a file: untyped, with a key for each row. In `quick` it holds diabetes patients: age, sex, body mass index, blood pressure and six blood values, `s1` to `s6`. In `full` it holds adults of a census. Later sections use texts and small pictures; for them, too, the *profile* decides which.

# %%
import numpy as np
import pandas as pd

from helpers import data
from helpers.contracts import agree, arriving, faulty, rules
from helpers.evidence import claim, say, start

run = start("06_data_quality", PROFILE, SEED)
draw = np.random.default_rng(SEED)  # most random draws of this chapter
names = TABLE or ("diabetes", "adult", "adult")
sizes = run.sizes(table=names, pool=(None, 10000, 20000), texts=(1000, 2000, 2000))
clean, contract = arriving(sizes.table), rules(sizes.table)
print(f"{sizes.table}: {len(clean):,} rows, {len(contract)} columns and a key.")

# %% [markdown]
# ## A contract that is checked
#
# What would every good row satisfy, whoever sends it? The contract below was written from the meaning of the columns: an age lies between 0 and 120, a week has 168 hours, `s4` is the ratio of total cholesterol to HDL, an education has one code. Writing it is the work; a library such as [pandera](https://pandera.readthedocs.io/) only checks it. `lazy=True` collects all failures instead of stopping at the first one. Columns that the contract does not name are refused as well (`strict=True`).
#
# One detail decides much: a number arrives as text now and then. The *parser* turns what is no number into an empty cell, and the contract does not allow that cell to be empty. So "n/a" is refused instead of becoming a zero.
#
# Three tests of the contract follow. First the clean table. Then a delivery with faults: copies of good rows, one fault in each, in eight kinds that take turns, appended to the clean table. Two questions count, and only together: is every bad row refused, and is no good one? The last cell tries the contract's limits. A popular shortcut takes ranges from the minimum and maximum of the rows at hand, here the first 200; how many of the other good rows does that refuse? And as a ninth kind of fault each bad row gets the age of somebody else.

# %%
import warnings

warnings.filterwarnings("ignore", "PySpark does not yet")  # a note of pandera's Spark part
import pandera.pandas as pa

to_number = pa.Parser(lambda values: pd.to_numeric(values, errors="coerce"))


def column(rule):
    if rule.values:
        return pa.Column(object, pa.Check.isin(rule.values), nullable=rule.may_be_empty)
    return pa.Column(float, pa.Check.in_range(rule.low, rule.high), parsers=to_number, coerce=True)


# %%
def schema_of(contract):
    columns = {rule.column: column(rule) for rule in contract}
    key = pa.Column(object, unique=True, report_duplicates="exclude_first")
    return pa.DataFrameSchema({"key": key} | columns, pa.Check(agree), strict=True)


def refused(table, contract):
    """Row numbers that break the contract, with the check that each one failed."""
    try:
        schema_of(contract).validate(table.reset_index(drop=True), lazy=True)
    except pa.errors.SchemaErrors as found:
        return found.failure_cases.groupby("index")["check"].first()
    return pd.Series(dtype=object)


say("Refused among the {n:,} clean rows: {r}.", n=len(clean), r=len(refused(clean, contract)))

# %% tags=["nbval-check-output"]
from helpers.tables import show_table

bad, kinds = faulty(clean, contract, FAULTS, SEED)
delivery = pd.concat([clean, bad], ignore_index=True)
is_bad = np.arange(len(delivery)) >= len(clean)
flagged = np.isin(np.arange(len(delivery)), refused(delivery, contract).index)
caught = pd.Series(flagged[is_bad]).groupby(kinds).agg(["size", "sum"])
rows = [{"fault": kind, "rows": n, "refused": k} for kind, n, k in caught.itertuples()]
show_table(rows, "Injected faults and how many of them were refused")
claim("Every injected fault is refused", flagged[is_bad].mean(), id="caught", equals=1)
claim("No clean row is refused", flagged[~is_bad].sum(), id="none_refused", equals=0)
claim("There are at least six kinds of fault", len(rows), id="kinds", at_least=6)

# %% tags=["nbval-check-output"]
from dataclasses import replace

order = draw.permutation(len(clean))
first, later = clean.iloc[order[:200]], clean.iloc[order[200:]]


def seen_limits(rule):
    values = first[rule.column]
    return rule if rule.values else replace(rule, low=values.min(), high=values.max())


wrongly = refused(later, [seen_limits(rule) for rule in contract])
share = len(wrongly) / len(later)
lies, _ = faulty(clean, contract, FAULTS, SEED, kinds=("believable",))
passed = 1 - len(refused(lies, contract)) / len(lies)
claim("Limits learned from rows refuse good ones", share, id="learned_limits", above=0, unit="%")
claim("Believable lies pass the contract", passed, id="lies_pass", at_least=0.95, unit="%")

# %% [markdown]
# A table of refusals without the count of refused *good* rows says nothing: a contract that refuses everything catches every fault. Ranges must come from meaning, because new good rows lie outside the old ones. And the contract sees only what breaks a rule. So it is necessary and not sufficient. It stops broken rows at the door. It does not find a wrong value that looks right; for labels there is a way, further below.
#
# ## Missing values: what dropping costs
#
# The listing that circulates begins with `dropna()`. If each of $k$ columns is empty in one row of twenty, independently, the share of complete rows is $0.95^k$. And are the rows that stay a fair sample? That depends on *why* a value is missing: by chance; because of another column that we have; or because of the value itself, as when people with high values do not answer. We hide one column in each of the three ways, and estimate its mean from the rows that stay, and after filling the gaps by regression on the other columns. The error is given in standard deviations of the column; the truth is known, because we made the gaps.

# %% tags=["nbval-check-output"]
from helpers.tabular import as_columns

typed = {r.column: clean[r.column].astype(object if r.values else float) for r in contract}
typed = pd.DataFrame(typed).iloc[order[: sizes.pool]]
left = (draw.random(typed.shape) >= 0.05).all(axis=1).mean()  # one cell of twenty is emptied
say("dropna leaves {a:.1%} of the rows; {b:.1%} expected.", a=left, b=0.95 ** len(contract))
claim("Dropping loses far more rows than cells", left, id="dropna", at_most=0.7, unit="%")
numbers, names = as_columns(typed)
place = names.index(run.sizes(target=("bmi", "age", "age")).target)
value, others = numbers[:, place], np.delete(numbers, place, axis=1)
others = others[:, others.std(axis=0) > 0]
driver = others[:, np.abs(np.corrcoef(value, others.T)[0, 1:]).argmax()]  # the closest column

# %% tags=["nbval-check-output"]
from sklearn.linear_model import LinearRegression


def errors(cause):  # of the mean, in standard deviations: of what stays, and after filling
    gap = draw.random(len(value)) < np.where(cause > cause.mean(), 0.9, 0.1)
    model = LinearRegression().fit(others[~gap], value[~gap])
    filled = np.where(gap, model.predict(others), value)
    return (np.array([value[~gap].mean(), filled.mean()]) - value.mean()) / value.std()


off = [errors(cause) for cause in (0 * value, driver, value) for _ in range(10)]
(chance, _), (dropped, filled), (_, stays) = np.abs(np.reshape(off, (3, 10, 2)).mean(axis=1))
claim("Gaps by chance leave the mean alone", chance, id="gap_chance", at_most=0.08)
claim("Gaps with a cause bias what stays", dropped, id="gap_dropped", at_least=0.15)
claim("Filling from the cause helps", filled / dropped, id="gap_filled", at_most=0.5, unit="%")
claim("Gaps due to the value itself stay biased", stays, id="gap_value", at_least=0.1)

# %% [markdown]
# The table cannot be told from its own numbers: the second and the third case look alike in the data. Only the producer knows why cells are empty. So record the reason, keep a column that says "was empty", fit the filling on the training part alone, and report the share that is missing.
#
# ## Outliers: an alarm, not a verdict
#
# Can a formula find gross errors? The usual one flags what lies more than three standard deviations from the mean. Its flaw is *masking*: the errors enlarge the standard deviation that is to expose them. If a share $p$ of the rows holds the same gross error, their distance in standard deviations is at most $\sqrt{(1-p)/p}$, whatever the size of the error, and that is no more than three from $p = 0.1$ on. Median and median absolute deviation (MAD) do not move until nearly half of the rows are wrong. We write some ages in months and count how many are found; the claims are about one row in five.

# %% tags=["nbval-check-output"]
def sigma(values):
    return abs(values - values.mean()) > 3 * values.std()


def mad(values):  # 1.4826 makes the MAD of a normal distribution its standard deviation
    off = abs(values - np.median(values))
    return off > 3.5 * 1.4826 * np.median(off)


age, shares, found = clean["age"].to_numpy(float), (0.01, 0.02, 0.05, 0.1, 0.2, 0.3), []
for share in shares:
    wrong = draw.permutation(np.arange(len(age)) < share * len(age))
    mixed = np.where(wrong, 12 * age, age)
    found.append([rule(mixed)[wrong].mean() for rule in (sigma, mad)])
claim("Errors hide from the three-sigma rule", found[4][0], id="masked", at_most=0.4, unit="%")
claim("The median rule finds them", found[4][1], id="unmasked", at_least=0.9, unit="%")

# %% tags=["nbval-check-output"]
from helpers.plots import figure, show

with figure() as (drawing, axes):
    axes.plot(shares, found, marker="o", label=["three standard deviations", "median and MAD"])
    axes.set(title="Ages in months", xlabel="share of wrong rows", ylabel="share of them found")
    axes.legend()
    show(drawing, "The more errors, the fewer the three-sigma rule finds; the median rule holds.")
columns = [rule.column for rule in contract if not rule.values]
good = np.any([sigma(clean[name].to_numpy(float)) for name in columns], axis=0).mean()
claim("Three sigma flags good rows", good, id="good_outliers", at_least=0.01, unit="%")

# %% [markdown]
# The last claim is about the *clean* table: rows that the contract accepts and that nobody made wrong. Deleting them removes real people, and the unusual ones first. So a statistical alarm sends a row to a person or to a rule ("an age above 120 is an error"); it does not delete.
#
# ## Copies across the split
#
# A crawler met some pages twice, the second time with small edits. What does that do to the test score? We take texts with labels, let some documents appear again with every fortieth word replaced, and split at random. A model that has seen the copy in training has seen the answer. Exact comparison does not notice: no copy equals its original, whatever is done about case and blanks.
#
# **MinHash** finds them ([Broder 1997](https://doi.org/10.1109/SEQUEN.1997.666900)). A text becomes the set of its *shingles*, all runs of three words, as numbers. The likeness of two sets is Jaccard's $s = |A \cap B| / |A \cup B|$. Under a random order of all numbers, the smallest of $A$ and the smallest of $B$ are the same with probability $s$. So 112 random orders, made by 112 hash functions, give each text a signature of 112 numbers, and the share of equal places estimates $s$.
#
# **Locality-sensitive hashing** (LSH) avoids comparing all pairs: cut the signature into $b = 14$ bands of $r = 8$ numbers, and compare only texts that agree in a whole band. One band agrees with probability $s^r$, at least one of them with $1 - (1 - s^r)^b$. FineWeb uses these very numbers ([Penedo et al. 2024](https://arxiv.org/abs/2406.17557)).
#
# The last cell of this section measures the damage. Of two near-copies the second is removed. We train the same linear model and split at random, on the crawl, on the crawl without copies, and, as the truth, on the originals alone.

# %%
source = run.sizes(name=TEXTS or ("docstrings", "movie_reviews", "movie_reviews"))
docs = data.documents(source.name)
label = np.concatenate([docs.labels_train, docs.labels_test])
chosen = draw.permutation(len(label))[: sizes.texts]
originals = [(*docs.texts_train, *docs.texts_test)[row] for row in chosen]
again = draw.permutation(len(originals))[: 2 * len(originals) // 5]  # these appear once more
crawl, label = originals.copy(), np.append(label[chosen], label[chosen][again])
for row in again:
    words = originals[row].split()
    crawl.append(" ".join("something" if i % 40 == 7 else w for i, w in enumerate(words)))
equal = len({" ".join(text.lower().split()) for text in crawl})
say("{n:,} texts, {e:,} different ones by exact comparison.", n=len(crawl), e=equal)

# %%
from zlib import crc32  # Python's own hash() of a text differs from run to run


def shingles(text, n=3):
    words = text.lower().split()
    runs = [" ".join(words[i : i + n]) for i in range(max(1, len(words) - n + 1))]
    return np.unique([crc32(run.encode("utf-8")) for run in runs]).astype(np.uint64)


odd, shift = draw.integers(0, 2**63, (2, 112), dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def signature(numbers):  # (112,): the smallest hash of the set under each hash function
    return ((numbers[:, None] * odd + shift) >> np.uint64(32)).min(axis=0)


sets = [shingles(text) for text in crawl]
signatures = np.array([signature(numbers) for numbers in sets])
say("{n:,} texts, {k} numbers each.", n=len(signatures), k=signatures.shape[1])

# %%
from itertools import combinations


def jaccard(a, b):
    both = len(np.intersect1d(sets[a], sets[b], assume_unique=True))
    return both / (len(sets[a]) + len(sets[b]) - both)


candidates = set()
for band in np.split(signatures, 14, axis=1):
    buckets = {}
    for row, part in enumerate(band):
        buckets.setdefault(part.tobytes(), []).append(row)
    candidates.update(pair for rows in buckets.values() for pair in combinations(rows, 2))
near = [pair for pair in sorted(candidates) if jaccard(*pair) >= 0.7]
say("{c:,} pairs compared, {n:,} near-copies.", c=len(candidates), n=len(near))

# %% tags=["nbval-check-output"]
def agree_in_a_band(a, b):  # is this pair of sets compared?
    return (signature(a) == signature(b)).reshape(14, 8).all(axis=1).any()


planted = {(row, len(originals) + place) for place, row in enumerate(again.tolist())}
assert all(((a, b) in candidates) == agree_in_a_band(sets[a], sets[b]) for a, b in planted)
recall = len(planted & set(near)) / len(planted)
compared = len(candidates) / (len(crawl) * (len(crawl) - 1) / 2)
guess = [np.mean(signatures[a] == signatures[b]) - jaccard(a, b) for a, b in near]
claim("Exact comparison finds no copy", len(crawl) - equal, id="exact_finds", equals=0)
claim("MinHash finds the edited copies", recall, id="near_found", at_least=0.93, unit="%")
claim("It compares few of all pairs", compared, id="few_pairs", at_most=0.01, unit="%")
claim("The signature estimates Jaccard", np.mean(np.abs(guess)), id="jaccard_error", at_most=0.05)

# %% tags=["nbval-check-output"]
from sklearn import feature_extraction, linear_model, model_selection

words = feature_extraction.text.TfidfVectorizer(min_df=2).fit_transform(crawl)  # sees no labels
ridge = linear_model.RidgeClassifier(solver="sparse_cg", tol=1e-2)
folds = model_selection.ShuffleSplit(8, test_size=0.3, random_state=SEED)


def accuracy(rows):
    return model_selection.cross_val_score(ridge, words[rows], label[rows], cv=folds).mean()


every = np.arange(len(crawl))
crawled, truth = accuracy(every), accuracy(every[: len(originals)])
without = accuracy(np.setdiff1d(every, [second for _, second in near]))
say("Crawl {a:.1%}, without copies {b:.1%}, originals {c:.1%}.", a=crawled, b=without, c=truth)
claim("Copies inflate accuracy", crawled - without, id="inflated", at_least=0.02, unit="%")
claim("Without them it is honest", abs(without - truth), id="honest", at_most=0.02, unit="%")

# %% [markdown]
# The model on the crawl is no better, its exam was easier. Order matters: remove copies *before* the split, or keep each group on one side of it (chapter 03). And decide which copies are wrong: two patients with equal values are two patients, and a text that many people quote may deserve some weight.
#
# ## Wrong labels: confident learning
#
# Labels are the column that no contract can check. Here an annotator slips: some labels become the next class in the list, chosen at random rows, so the truth is known. **Confident learning** ([Northcutt et al. 2021](https://arxiv.org/abs/1911.00068)) needs only predicted probabilities from a model that has not seen the row, from cross-validation. For each class it takes the mean confidence on rows that carry this label: the class threshold. A row is confidently of class $k$ when its probability of $k$ reaches the threshold of $k$. Rows that are confidently of another class than their label are suspects. We write it by hand and compare with [cleanlab](https://docs.cleanlab.ai/).
#
# What is it worth? In the third cell two models learn from the true labels, from the wrong ones, and from what is left without the suspects. The test labels are the true ones; with a wrong test set nobody could see a difference. "Won back" is the share of the loss that the cleaning undoes. The last cell looks for suspects among the labels as they were published.

# %%
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

pictures = run.sizes(name=IMAGES or ("digits", "fashion_mnist", "fashion_mnist"))
split = data.load(pictures.name)
split = split.subset(*run.sizes(n=([1297, 500], [10000, 5000], [30000, 10000])).n, seed=SEED)
x, x_test = (part.reshape(len(part), -1) for part in (split.x_train, split.x_test))
y, y_test = split.y_train, split.y_test
slipped = draw.random(len(y)) < NOISE
noisy = np.where(slipped, (y + 1) % 10, y)
cv = StratifiedKFold(5, shuffle=True, random_state=SEED)
p = cross_val_predict(KNeighborsClassifier(20), x, noisy, cv=cv, method="predict_proba")
say("{n:,} labels, {s:.1%} of them wrong.", n=len(y), s=slipped.mean())

# %% tags=["nbval-check-output"]
from cleanlab.filter import find_label_issues

thresholds = np.array([p[noisy == k, k].mean() for k in range(10)])
confident = np.where(p >= thresholds, p, -1)  # -1 where the threshold is not reached
suspect = (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != noisy)
library = find_label_issues(noisy, p, filter_by="confident_learning", n_jobs=1)
precision, recall = slipped[suspect].mean(), suspect[slipped].mean()
say("Wrong: {s:.0%} of all labels, {p:.0%} of the suspects.", s=slipped.mean(), p=precision)
same, lift = np.mean(suspect == library), precision / slipped.mean()
claim("Our suspects are nearly cleanlab's", same, id="by_hand", at_least=0.95, unit="%")
claim("Most wrong labels are found", recall, id="noise_found", at_least=0.6, unit="%")
claim("Suspects are wrong far more often", lift, id="noise_lift", at_least=1.8)

# %% tags=["nbval-check-output"]
from sklearn.ensemble import ExtraTreesClassifier

trees, rows = ExtraTreesClassifier(50, random_state=SEED), []
for name, model in {"3 neighbours": KNeighborsClassifier(3), "trees": trees}.items():
    labels = (x, y), (x, noisy), (x[~suspect], noisy[~suspect])
    true, hurt, cleaned = (model.fit(*part).score(x_test, y_test) for part in labels)
    row = {"model": name, "true": true, "noisy": hurt, "cleaned": cleaned}
    rows.append(row | {"won_back": (cleaned - hurt) / (true - hurt)})
show_table(rows, "Accuracy by labels", **dict.fromkeys([*list(row)[1:], "won_back"], ".3f"))
cost = rows[0]["true"] - rows[0]["noisy"]
claim("Wrong labels cost accuracy", cost, id="noise_cost", at_least=0.05, unit="%")
claim("Cleaning wins half of it back", rows[0]["won_back"], id="won_back", at_least=0.5, unit="%")

# %%
own = cross_val_predict(KNeighborsClassifier(20), x, y, cv=cv, method="predict_proba")
ranked = find_label_issues(y, own, return_indices_ranked_by="self_confidence", n_jobs=1)
names, guess = np.array(split.class_names), own.argmax(axis=1)
say("{n} of {m:,} published labels are suspects.", n=len(ranked), m=len(y))
with figure(columns=8, width=10, height=1.9) as (drawing, places):
    for axes in places:
        axes.axis("off")
    for axes, row in zip(places, ranked, strict=False):
        axes.imshow(split.x_train[row, ..., 0], cmap="gray_r")
        axes.set_title(f"{names[y[row]]}\n{names[guess[row]]}", fontsize=8)
    alt = ", ".join(f"{names[y[row]]} or {names[guess[row]]}" for row in ranked[:8])
    show(drawing, "Published label above, guess below.", alt=f"Small pictures: {alt}.")

# %% [markdown]
# Our suspects and those of the library may differ in a few rows: it treats ties, and rows that reach several thresholds, in its own way. Look at the pictures before believing either side. Some labels are wrong, some pictures are hard and right. Removing suspects also removes hard, right examples, so a model that hardly suffers from the noise can *lose* by the cleaning. The trees average over many rows, suffer less than the neighbours, and have less to win back. The safe use is a work list: people look at the suspects first.
#
# ## Versions: content hashes, lineage and a data card
#
# Which data was the model trained on? A file name and a date do not say. A **content hash** does: the same rows give the same hash whatever their order, and one changed cell gives another. We sort columns and rows, write them as text and take SHA-256. A file's own hash is faster and enough for unchanged copies; a content hash survives a new export.
#
# **Lineage** is the chain from the delivery to the training set: after each step, the number of rows and the hash of what it left. Whoever replays the steps must find the same hashes; where the first one differs, somebody did something that is not on the list. The second step drops rows that are equal in all but the key.
#
# **The split** belongs to the version. A seed makes a split repeatable for *one* table. Let the table grow by a tenth: do old test rows stay test rows under the same seed, and do they if the hash of the key decides? With the key of the person instead of the row, all rows of a person stay together as well.
#
# **The data card** is one page that travels with the data ([Gebru et al. 2021](https://arxiv.org/abs/1803.09010)). What can be measured is written by code, so that it cannot be outdated; what only people know (why it was collected, who agreed, what it must not be used for) is written by them.

# %% tags=["nbval-check-output"]
import hashlib


def content_hash(table):
    columns = sorted(table.columns)
    lines = sorted(table[columns].to_csv(index=False, header=False).splitlines())
    return hashlib.sha256("\n".join([*columns, *lines]).encode("utf-8")).hexdigest()


mixed, touched = clean.sample(frac=1, random_state=SEED)[clean.columns[::-1]], clean.copy()
touched.at[7, "age"] += 1
same, other = content_hash(mixed) == content_hash(clean), content_hash(touched)
claim("The order of rows and columns does not matter", same, id="hash_order", equals=1)
claim("One changed cell does", other != content_hash(clean), id="hash_cell", equals=1)

# %% tags=["nbval-check-output"]
def lineage(table):
    accepted = table.drop(index=refused(table, contract).index.astype(int))
    single = accepted.drop_duplicates([rule.column for rule in contract])
    steps = {"delivery": table, "contract": accepted, "copies": single}
    return [{"step": k, "rows": len(t), "hash": content_hash(t)[:16]} for k, t in steps.items()]


log, replayed = lineage(delivery), lineage(delivery)
show_table(log, "What was done to the delivery")
other = lineage(pd.concat([touched, bad], ignore_index=True))
differ = all(one["hash"] != two["hash"] for one, two in zip(log, other, strict=True))
claim("Replaying the steps gives the same hashes", log == replayed, id="replay", equals=1)
claim("One changed cell shows at each step", differ, id="chain", equals=1)

# %% tags=["nbval-check-output"]
from sklearn.model_selection import train_test_split


def in_test(key):  # the key alone decides
    return int(hashlib.sha256(key.encode("utf-8")).hexdigest()[:8], 16) / 2**32 < 0.2


today = clean["key"].tolist()
yesterday = today[: 9 * len(today) // 10]  # since then a tenth of the table has arrived
hashed = [{key for key in keys if in_test(key)} for keys in (yesterday, today)]
seeded = [set(train_test_split(k, test_size=0.2, random_state=SEED)[1]) for k in (yesterday, today)]
moved, changed = ((old ^ new) & set(yesterday) for old, new in (hashed, seeded))
claim("Split by hash: no old row changes sides", len(moved), id="moved_hash", equals=0)
share = len(changed & seeded[0]) / len(seeded[0])  # were tested on, are now trained on
claim("Split by seed: many old ones do", share, id="moved_seed", at_least=0.3, unit="%")

# %%
empty = clean.isna().mean().sort_values()
facts = {
    "source": data.entry(sizes.table).source.split(",")[0],
    "licence": data.entry(sizes.table).licence,
    "content hash": content_hash(clean)[:16],
    "rows delivered, refused": f"{len(delivery):,}, {flagged.sum():,}",
    "rows equal but for the key": f"{clean.drop(columns='key').duplicated().sum():,}",
    "emptiest column": f"{empty.index[-1]}, {empty.iloc[-1]:.1%} empty",
    "rows in the training part": f"{len(today) - len(hashed[1]):,}, by hash of the key",
    "known problem": "a believable wrong value passes the contract",
}
show_table([{"entry": k, "value": v} for k, v in facts.items()], f"Data card: {sizes.table}")

# %% [markdown]
# ## The trap
#
# The cleaning code that circulates has three lines. One drops incomplete rows. One filters the invalid value, `data[data["column"] != invalid]`, and does not keep the result. One "checks for duplicates" by keeping the rows for which `duplicated(...)` is true. No line raises an error. We run them on the delivery.

# %% tags=["nbval-check-output"]
table = delivery.dropna()
invalid = (table == -999).any(axis=1).sum()
table[(table != -999).all(axis=1)]  # computed, and thrown away
still = (table == -999).any(axis=1).sum()
result = table[table.duplicated(subset=["key"], keep="first")]
say("Invalid rows before the filter: {a}, after it: {b}.", a=invalid, b=still)
claim("The filter removed nothing", still / invalid, id="thrown_away", equals=1, unit="%")
copies = np.mean(kinds[result.index - len(clean)] == "repeated key")
lost = 1 - len(result) / len(delivery)
claim("Only repeated keys are left", copies, id="only_copies", equals=1, unit="%")
claim("Nearly all rows are lost", lost, id="lost", at_least=0.8, unit="%")

# %% [markdown]
# The result is a table, so nobody notices until somebody counts. Two habits catch both lines: assign what you compute (`table = table[...]`), and after every step state what must hold: `assert not table["key"].duplicated().any()`, the number of rows within limits. That is the contract again, on the way out.
#
# ## At large-model scale
#
# **Does the formula hold?** Before trusting it with a web corpus, we test it: pairs of random sets with a known Jaccard $s$, and the share of them that agree in at least one band. The steep part lies near $(1/b)^{1/r}$; for $b = 14$, $r = 8$ that is $0.72$.
#
# **What does a web corpus cost?** Take $N = 10^{10}$ pages. All pairs are $N(N-1)/2 \approx 5 \cdot 10^{19}$; at $10^9$ comparisons a second that is $5 \cdot 10^{10}$ seconds, or 1,585 years on one core. Signatures of 112 numbers of 8 bytes take $112 \cdot 8 \cdot 10^{10} = 9 \cdot 10^{12}$ bytes, 9 terabytes, written once and sorted band by band. With 9,000 numbers for each page, in 20 bands of 450 as in [Lee et al. 2021](https://arxiv.org/abs/2107.06499), it is 720 terabytes if kept whole; in exchange the threshold $(1/20)^{1/450} = 0.993$ lets nearly nothing but true copies through. The same authors found a sentence of 61 words more than 60,000 times in C4, and models trained on deduplicated text emit memorised text ten times less often.
#
# **Where it stops paying.** Penedo et al. removed copies across all crawls at once and got a *worse* model than with each crawl by itself: what is left of an old crawl after a strict global removal is mostly the junk that nobody copied ([FineWeb, section on deduplication](https://arxiv.org/abs/2406.17557)). So the setting is judged by a model trained on the result, like every other step.

# %% tags=["nbval-check-output"]
s, found = np.arange(24, 60, 6) / 60, []
for shared in range(24, 60, 6):  # of the 60 numbers in the union; the rest is dealt to A and B
    numbers, cut = draw.integers(0, 2**32, (600, 60), dtype=np.uint64), 30 + shared // 2
    pairs = [(row[:cut], np.r_[row[:shared], row[cut:]]) for row in numbers]
    found.append(np.mean([agree_in_a_band(*pair) for pair in pairs]))
theory = 1 - (1 - s**8) ** 14
with figure() as (drawing, axes):
    axes.plot(s, np.c_[found, theory], marker="o", label=["measured", "formula"])
    axes.legend()
    axes.set(title="LSH", xlabel="Jaccard of the pair", ylabel="share compared")
    show(drawing, "Pairs above the threshold are nearly always compared, pairs below it rarely.")
claim("The curve fits the formula", abs(found - theory).max(), id="lsh_curve", at_most=0.08)

# %% [markdown]
# ## Exercises
#
# ### Exercise 06.1: one copy stays
#
# Write `keep_rows(texts)`: the row numbers, in ascending order, of the texts that have not been seen before. Two texts are the same if they differ in nothing but case and the amount of white space between words or at the ends.
#
# <details><summary>Hint</summary>
#
# `text.split()` without an argument cuts at any run of white space and drops what is at the ends.
#
# </details>

# %% tags=["exercise"]
def keep_rows(texts):
    """List of the row numbers to keep: the first of each group of equal texts."""
    raise NotImplementedError


# %% tags=["check"]
from helpers.exercises import data_quality as check

check.keep_rows(keep_rows)


# %% tags=["solution", "hide-cell"]
def keep_rows(texts):
    seen, rows = set(), []
    for row, text in enumerate(texts):
        form = " ".join(text.lower().split())
        if form not in seen:
            seen.add(form)
            rows.append(row)
    return rows


check.keep_rows(keep_rows)

# %% [markdown]
# ### Exercise 06.2: suspect labels
#
# Write `suspects(labels, p)`: the row numbers that confident learning suspects. `labels` are class numbers, `p` has one row of out-of-fold probabilities for each label. A row is confidently of class $k$ when its probability of $k$ is at least the threshold of $k$, the mean of that column over the rows labelled $k$. If it reaches several thresholds, the class with the largest probability counts.

# %% tags=["exercise"]
def suspects(labels, p):
    """Row numbers that are confidently of another class than their label."""
    raise NotImplementedError


# %% tags=["check"]
check.suspects(suspects)


# %% tags=["solution", "hide-cell"]
def suspects(labels, p):
    thresholds = np.array([p[labels == k, k].mean() for k in range(p.shape[1])])
    confident = np.where(p >= thresholds, p, -1)
    return np.flatnonzero((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels))


check.suspects(suspects)

# %% [markdown]
# ### Exercise 06.3: a split that never moves a row
#
# Write `in_test(keys, share)`: True or False for each key. About the share `share` is True; a key's answer depends on the key alone, is the same in every process, and a larger share keeps the test rows of a smaller one.
#
# <details><summary>Hint</summary>
#
# Turn each key into a number between 0 and 1 with `hashlib` or `zlib.crc32`. Python's `hash()` of a text starts from another random value in each process.
#
# </details>

# %% tags=["exercise"]
def in_test(keys, share):
    """True for each key that belongs to the test part."""
    raise NotImplementedError


# %% tags=["check"]
check.in_test(in_test)


# %% tags=["solution", "hide-cell"]
def in_test(keys, share):
    return [crc32(key.encode("utf-8")) / 2**32 < share for key in keys]


check.in_test(in_test)

# %% [markdown]
# ## Quiz
#
# Open a choice to see whether it is right, and why.

# %% tags=["quiz", "hide-input"]
from helpers.quiz import quiz

quiz("06_data_quality")

# %% [markdown]
# ## What the interviewer asks next
#
# **"What happens to a refused row?"** It goes to quarantine with its reason and its delivery, and the producer gets the count. If a delivery has more refusals than usual, the whole delivery waits: one broken export is likelier than a thousand broken rows. Nothing is repaired silently, because a repair is an assumption, and it belongs in the lineage.
#
# **"You impute or you drop?"** First I ask why the cell is empty. I keep a column that says "was empty", fit the filling inside the pipeline, on training rows only, and compare both ways on complete rows. If the gap depends on the value itself, no formula repairs it; I say so in the data card.
#
# **"Confident learning flags a tenth of your labels. Delete them?"** No. I have a sample checked by two people, which gives the precision of the list, then spend the labelling budget from the top of the list. And I repair the test labels first: a noisy test set can prefer the worse model ([Northcutt et al. 2021](https://arxiv.org/abs/2103.14749)).
#
# **"Why not keep everything in HDFS or S3 with a date in the folder name?"** Storage says where bytes lie, not what they mean, who changed them or whether a model saw them. Any store will do if versions are immutable and named by content: tools such as [DVC](https://dvc.org/doc), [lakeFS](https://docs.lakefs.io/) or [Delta Lake](https://docs.delta.io/) do that. Encryption and access are chapters 25 and 26.
#
# **"A person asks you to delete her data."** Lineage answers which tables, versions and models hold the key. Without it, nobody can even say what must be retrained.
#
# | Answer | How it sounds |
# |---|---|
# | Weak | `dropna()`, `drop_duplicates()`, "we clean and label the data well". No count of what was lost. |
# | Good | A schema, a look at missing values and outliers, duplicates removed, labels checked by two people, versions. |
# | Strong | A contract with quarantine and counts, the reason for gaps, near-copies removed before the split, suspects as a work list, a split by hash, content hashes and lineage that answer "which data?", and what the checks cannot see. |
#
# ## Takeaways
#
# - A contract comes from meaning, not from the minimum and maximum seen so far.
# - It stops broken rows. Believable lies pass.
# - Dropping incomplete rows is a decision about the population.
# - An outlier is an alarm. Gross errors hide from the mean and the standard deviation.
# - Remove near-copies before the split; exact comparison does not see edits.
# - Confident learning makes a work list. Whether cleaning pays is measured on checked labels.
# - Name versions by their content, split by a hash of the key, and record each step.
# - After each cleaning step, count.
#
# ## References
#
# - Broder 1997, [On the resemblance and containment of documents](https://doi.org/10.1109/SEQUEN.1997.666900)
# - Rubin 1976, [Inference and missing data](https://doi.org/10.1093/biomet/63.3.581)
# - Breck et al. 2019, [Data validation for machine learning](https://mlsys.org/Conferences/2019/doc/2019/167.pdf)
# - Northcutt, Jiang and Chuang 2021, [Confident learning](https://arxiv.org/abs/1911.00068)
# - Northcutt, Athalye and Mueller 2021, [Pervasive label errors in test sets](https://arxiv.org/abs/2103.14749)
# - Lee et al. 2021, [Deduplicating training data makes language models better](https://arxiv.org/abs/2107.06499)
# - Penedo et al. 2024, [The FineWeb datasets](https://arxiv.org/abs/2406.17557)
# - Gebru et al. 2021, [Datasheets for datasets](https://arxiv.org/abs/1803.09010)
# - Sambasivan et al. 2021, ["Everyone wants to do the model work, not the data work"](https://doi.org/10.1145/3411764.3445518)
