# %% [markdown]
# ## A language model in fewer bits
#
# Does the same work for a model that writes text? We train the small GPT of
# [chapter 11](11_attention.ipynb) for a short while and round its weights only; the arithmetic stays
# float. Accuracy says little about a language model, so we count the **bits per byte** that it needs for
# text it has not seen ([chapter 01](01_evaluation.ipynb)).

# %%
import functools

from helpers import data, language_quantization
from helpers.language_models import build_gpt
from helpers.language_training import bits_per_byte_of, token_windows, train_language_model
from helpers.quantization import gptq, round_in_blocks

gpt_sizes = run.sizes(
    text=("python_docs", "tiny_shakespeare", "tiny_shakespeare"), width=(64, 96, 256),
    layers=(1, 2, 6), steps=(120, 600, 3000), held_out=(8000, 30000, 30000), xla=(False, True, True),
)  # fmt: skip
text = data.text(gpt_sizes.text).encode()
cut = len(text) * 9 // 10  # training stops here
gpt = build_gpt(width=gpt_sizes.width, layers=gpt_sizes.layers, seed=SEED)
train_language_model(gpt, text[:cut], steps=gpt_sizes.steps, batch=16, seed=SEED, jit_compile=gpt_sizes.xla)
unseen = text[cut : cut + gpt_sizes.held_out]
float_bits = bits_per_byte_of(gpt, unseen)
say("In float32 the GPT needs {bits:.2f} bits per byte of unseen text.", bits=float_bits)

# %% [markdown]
# First every matrix, the embedding and the logits included: int8 with a scale for each channel, then four
# bits in blocks of 32. A block's float16 scale is counted in the size.

# %% tags=["nbval-check-output"]
matrices = tuple(x.name for x in gpt.layers if x.weights and len(x.weights[0].shape) == 2)
methods = {"int8": lambda k: quantize(k, 8, axis=1).dequantize(),
           "int4": lambda k: quantize_blocks(k, 4, 32).dequantize().reshape(k.shape)}  # fmt: skip
lost, everything = {}, gpt.count_params()
for name, method in methods.items():
    candidate = language_quantization.round_matrices(gpt, method, matrices)
    lost[name] = bits_per_byte_of(candidate, unseen) / float_bits - 1
held = sum(gpt.get_layer(name).get_weights()[0].size for name in matrices)
smaller = 32 * everything / (32 * (everything - held) + (4 + 16 / 32) * held)
claim("int8 weights cost a GPT nothing worth naming", lost["int8"], id="lm_int8", at_most=0.01, unit="%")
claim("four bits in blocks cost it at most a twentieth", lost["int4"], id="lm_int4", at_most=0.05, unit="%")
claim("and take a sixth of the memory", smaller, id="lm_int4_size", at_least=6, unit="x")

# %% [markdown]
# Below four bits plain rounding breaks the model, and the loop from above has to help. One thing is new: a
# GPT is deep. We go from the first block to the last and let each layer correct on what it **really** sees,
# the output of layers that are rounded already. Query, key and value read the same inputs, so they go together.
# Embedding and logits stay float now, so that only the blocks show.


# %%
def compensate(model, windows, bits, block=32):
    copy = language_quantization.copy_of(model)
    for place in range(1, gpt_sizes.layers + 1):
        for stage in (("query", "key", "value"), ("output",), ("mlp_up",), ("mlp_down",)):
            names = [f"block_{place}_{part}" for part in stage]
            inputs = language_quantization.layer_inputs(copy, names[0], windows)
            for name in names:
                kernel = copy.get_layer(name).get_weights()[0]
                language_quantization.set_kernel(copy, name, gptq(kernel, inputs, bits, block=block))
    return copy


# %% tags=["nbval-check-output"]
from helpers.tables import show_table

windows, found = token_windows(text[:cut], 64, 64, SEED)[0], {"plain": [], "compensated": []}
for bits in (3, 2):
    nearest = functools.partial(round_in_blocks, bits=bits, block=32)
    plain = language_quantization.round_matrices(gpt, nearest)
    found["plain"].append(bits_per_byte_of(plain, unseen))
    found["compensated"].append(bits_per_byte_of(compensate(gpt, windows, bits), unseen))
rows = [{"rounding": name, "3 bits": three, "2 bits": two} for name, (three, two) in found.items()]
rows += [{"rounding": "none (float32)", "3 bits": float_bits, "2 bits": float_bits}]
show_table(rows, "Bits per byte of unseen text, blocks of 32 weights", **{"3 bits": ".3f", "2 bits": ".3f"})
won = [(a - b) / (a - float_bits) for a, b in zip(found["plain"], found["compensated"], strict=True)]
claim("compensation wins back most of what two bits lost", won[1], id="lm_gptq", at_least=0.5, unit="%")
record("lm_gptq_three_bits", won[0], "%")

# %% [markdown]
# The same bits, the same blocks, no training: only 64 windows of text to see which errors matter. What
# remains at two bits is no free lunch; a model that has to be this small is better trained for it.
