"""Writes a model folder of CLIP ViT-B/32's shape, with CLIP's vocabulary and random
weights: it knows nothing, but costs what real weights cost.

    .venv/bin/python tests/bench/make_vit.py DIR
    build/cah model check DIR

600 MB; the same bytes each time. Needs .venv/peers (tools/install-deps).
"""

import argparse
import json
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from clip_peers import on_path, write_originals

on_path()

import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 32
OPSET = 17
IR_VERSION = 8
LAYERS = 12
EMBEDDING = 512
SIDE, PATCH, IMAGE_WIDTH, IMAGE_HEADS = 224, 32, 768, 12
TOKENS, CONTEXT, TEXT_WIDTH, TEXT_HEADS = 49408, 77, 512, 8
PLAN = {
    "do_resize": True,
    "size": {"shortest_edge": SIDE},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


class Tower:
    """A graph that is written node by node; each method returns a value's name."""

    def __init__(self, rng):
        self.rng = rng
        self.nodes = []
        self.constants = []

    def name(self):
        return f"v{len(self.nodes) + len(self.constants)}"

    def constant(self, values, dtype=np.int64):
        name = self.name()
        array = np.asarray(values, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape, scale=0.02):
        return self.constant(self.rng.standard_normal(shape) * scale, np.float32)

    def op(self, kind, *inputs, **attributes):
        name = self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def linear(self, x, width, out):
        return self.op(
            "Add", self.op("MatMul", x, self.weight(width, out)), self.weight(out)
        )

    def norm(self, x, width):
        scale, bias = self.weight(width, scale=1), self.weight(width)
        return self.op("LayerNormalization", x, scale, bias, axis=-1)

    def attention(self, x, width, heads, mask):
        def split(y):
            y = self.op("Reshape", y, self.constant([0, 0, heads, width // heads]))
            return self.op("Transpose", y, perm=[0, 2, 1, 3])

        q, k, v = (split(self.linear(x, width, width)) for _ in range(3))
        scores = self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2]))
        root = self.constant((width // heads) ** -0.5, np.float32)
        scores = self.op("Mul", scores, root)
        if mask is not None:
            scores = self.op("Add", scores, mask)
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        y = self.op("Transpose", y, perm=[0, 2, 1, 3])
        y = self.op("Reshape", y, self.constant([0, 0, width]))
        return self.linear(y, width, width)

    def block(self, x, width, heads, mask=None):
        x = self.op("Add", x, self.attention(self.norm(x, width), width, heads, mask))
        y = self.linear(self.norm(x, width), width, 4 * width)
        # QuickGELU, as OpenAI's models have it.
        gate = self.op("Mul", y, self.constant(1.702, np.float32))
        y = self.op("Mul", y, self.op("Sigmoid", gate))
        return self.op("Add", x, self.linear(y, 4 * width, width))

    def save(self, path, source, target, result):
        self.nodes.append(helper.make_node("Identity", [result], [target.name]))
        graph = helper.make_graph(
            self.nodes, path.stem, [source], [target], self.constants
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.save(model, path)


def value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def write_vision(path, rng):
    t = Tower(rng)
    width, patches = IMAGE_WIDTH, (SIDE // PATCH) ** 2
    x = t.op(
        "Conv",
        "pixel_values",
        t.weight(width, 3, PATCH, PATCH),
        strides=[PATCH, PATCH],
    )
    x = t.op("Reshape", x, t.constant([0, width, patches]))
    x = t.op("Transpose", x, perm=[0, 2, 1])
    batch = t.op("Shape", x, start=0, end=1)
    shape = t.op("Concat", batch, t.constant([1, width]), axis=0)
    x = t.op("Concat", t.op("Expand", t.weight(1, 1, width), shape), x, axis=1)
    x = t.norm(t.op("Add", x, t.weight(patches + 1, width)), width)
    for _ in range(LAYERS):
        x = t.block(x, width, IMAGE_HEADS)
    x = t.norm(t.op("Gather", x, t.constant(0), axis=1), width)
    x = t.op("MatMul", x, t.weight(width, EMBEDDING))
    source = value("pixel_values", TensorProto.FLOAT, "batch", 3, SIDE, SIDE)
    target = value("image_embeds", TensorProto.FLOAT, "batch", EMBEDDING)
    t.save(path, source, target, x)


def write_text(path, rng):
    t = Tower(rng)
    width, zero = TEXT_WIDTH, [0]
    x = t.op("Gather", t.weight(TOKENS, width), "input_ids", axis=0)
    length = t.op("Shape", "input_ids", start=1, end=2)
    places = t.op("Slice", t.weight(CONTEXT, width), t.constant(zero), length)
    x = t.op("Add", x, places)
    mask = t.constant(np.triu(np.full((CONTEXT, CONTEXT), -1e9), 1), np.float32)
    for axis in (0, 1):
        mask = t.op("Slice", mask, t.constant(zero), length, t.constant([axis]))
    for _ in range(LAYERS):
        x = t.block(x, width, TEXT_HEADS, mask)
    # The end of the text has the highest number of all tokens.
    end = t.op("ArgMax", "input_ids", axis=1, keepdims=1)
    x = t.op("GatherND", t.norm(x, width), end, batch_dims=1)
    x = t.op("MatMul", x, t.weight(width, EMBEDDING))
    source = value("input_ids", TensorProto.INT64, "batch", "sequence")
    target = value("text_embeds", TensorProto.FLOAT, "batch", EMBEDDING)
    t.save(path, source, target, x)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("folder", type=pathlib.Path)
    folder = p.parse_args().folder
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    write_vision(folder / "onnx" / "vision_model.onnx", rng)
    write_text(folder / "onnx" / "text_model.onnx", rng)
    write_originals(folder, CONTEXT)
    (folder / "preprocessor_config.json").write_text(json.dumps(PLAN))


if __name__ == "__main__":
    main()
