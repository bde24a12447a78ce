"""Operations and memory of training a transformer from its sizes, and TensorFlow's own count.

Built in view in chapter 15.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.training_memory import CostError, _positive


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of a decoder-only transformer with tied embeddings and feed-forward width 4d.

    layers, width (d), length (tokens of one sequence), batch (sequences), vocabulary.
    """

    layers: int
    width: int
    length: int
    batch: int
    vocabulary: int

    def __post_init__(self) -> None:
        _positive(**vars(self))
        if self.width % 4:
            raise CostError(f"The width is {self.width}; four heads must divide it evenly.")

    @property
    def parameters(self) -> int:
        """Weights: 12 d^2 a layer (four projections, two feed-forward), and the embedding."""
        return 12 * self.layers * self.width**2 + self.vocabulary * self.width


def training_flops(sizes: TransformerSizes) -> dict[str, int]:
    """Floating-point operations of one training step: forward and backward, by part.

    A multiplication and its addition are two. Forward per token and layer: 24 d^2 in the weights,
    4 T d for the scores and the weighted sum; 2 d V for the output. Backward is twice forward:
    a product for the inputs, one for the weights (Kaplan et al. 2020, arXiv:2001.08361).
    """
    tokens, width = sizes.batch * sizes.length, sizes.width
    return {
        "weights": 3 * tokens * sizes.layers * 24 * width**2,
        "attention": 3 * tokens * sizes.layers * 4 * sizes.length * width,
        "output": 3 * tokens * 2 * width * sizes.vocabulary,
    }


def counted_flops(layers, width, lengths, batch, vocabulary):
    """What TensorFlow's profiler counts for one training step of each sequence length, a list.

    Builds forward pass and gradients as a graph and adds up the operations of its nodes, the
    elementwise ones included; nothing is run. Made for a process of its own.
    """
    import logging

    import tensorflow as tf
    from tensorflow.python.profiler.model_analyzer import profile
    from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

    tf.get_logger().setLevel(logging.ERROR)
    heads = 4

    def step(tokens, labels, embedding, *weights):
        length = tokens.shape[1]

        def split(values):
            shape = (batch, length, heads, width // heads)
            return tf.transpose(tf.reshape(values, shape), (0, 2, 1, 3))

        with tf.GradientTape() as tape:
            tape.watch([embedding, *weights])
            values = tf.reshape(tf.gather(embedding, tokens), (-1, width))
            for layer in range(layers):
                inward, outward, up, down = weights[4 * layer : 4 * layer + 4]
                query, key, value = (split(a) for a in tf.split(values @ inward, 3, axis=-1))
                scores = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
                mixed = tf.transpose(tf.matmul(scores, value), (0, 2, 1, 3))
                values += tf.reshape(mixed, (-1, width)) @ outward
                values += tf.nn.relu(values @ up) @ down
            logits = tf.matmul(values, embedding, transpose_b=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.reshape(labels, [-1]), logits
            )
            loss = tf.reduce_mean(losses)
        return tape.gradient(loss, [embedding, *weights])

    shapes = [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]
    weights = [tf.TensorSpec(shape) for shape in shapes * layers]
    option = ProfileOptionBuilder(ProfileOptionBuilder.float_operation())
    option, found = option.with_empty_output().build(), []
    for length in lengths:
        whole = tf.TensorSpec((batch, length), tf.int32)
        table = tf.TensorSpec((vocabulary, width))
        graph = tf.function(step).get_concrete_function(whole, whole, table, *weights).graph
        found.append(int(profile(graph, options=option).total_float_ops))
    return found
