"""Exports of other shapes than the demo model's: with an attention mask, of a
fixed length, in half precision, with more outputs, for rows of one number only.

The towers are made here: a text's embedding is the sum of its tokens' rows of a
table, an image's is its mean colours.
"""

import json
import shutil

import numpy as np
import pytest
from clip_peers import on_path
from conftest import ROOT

DEMO = ROOT / "models" / "demo"
DIMENSION = 3
CONTEXT = 32
END = 1087
TABLE = np.random.default_rng(5).normal(size=(1088, DIMENSION)).astype(np.float32)
TEXTS = ("a", "a red circle", "two blue stars left of a green square, striped")


def save(path, nodes, inputs, outputs, **weights):
    on_path()
    from onnx import helper, numpy_helper, save_model

    graph = helper.make_graph(
        [helper.make_node(op, i, o, **more) for op, i, o, more in nodes],
        "tower",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    save_model(helper.make_model(graph, ir_version=8, opset_imports=[opset]), path)


def text_tower(path, mask=False, length="sequence", kind=np.float32, ids=7):
    """Sums the tokens' rows: all of them, or those that the mask lets through."""
    on_path()
    from onnx import helper

    half = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    inputs = [("input_ids", ids, ["batch", length])]
    nodes = [("Gather", ["table", "input_ids"], ["rows"], {})]
    if mask:
        inputs.insert(0, ("attention_mask", ids, ["batch", length]))
        nodes += [
            ("Cast", ["attention_mask"], ["weights"], {"to": half}),
            ("Unsqueeze", ["weights", "last"], ["column"], {}),
            ("Mul", ["rows", "column"], ["kept"], {}),
        ]
    nodes.append(
        (
            "ReduceSum",
            ["kept" if mask else "rows", "one"],
            ["text_embeds"],
            {"keepdims": 0},
        )
    )
    outputs = [
        ("rows", half, ["batch", length, DIMENSION]),
        ("text_embeds", half, ["batch", DIMENSION]),
    ]
    one, last = np.array([1], np.int64), np.array([2], np.int64)
    save(path, nodes, inputs, outputs, table=TABLE.astype(kind), one=one, last=last)


def image_tower(path, kind=np.float32, dimension=DIMENSION, batch="batch"):
    on_path()
    from onnx import helper

    half = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [
        ("ReduceMean", ["pixel_values"], ["mean"], {"axes": [2, 3], "keepdims": 0}),
        ("MatMul", ["mean", "mix"], ["pooled"], {}),
    ]
    inputs = [("pixel_values", half, [batch, 3, "height", "width"])]
    mix = np.eye(3, dimension, dtype=kind)
    save(path, nodes, inputs, [("pooled", half, [batch, dimension])], mix=mix)


@pytest.fixture
def model(tmp_path):
    """The demo model with towers of ours."""
    folder = tmp_path / "model"
    shutil.copytree(DEMO, folder)
    image_tower(folder / "onnx" / "vision_model.onnx")
    return folder


@pytest.fixture
def embed(run_cah, tmp_path):
    """Text and image embeddings of TEXTS with one image, by `cah score`."""
    picture = ROOT / "tests" / "fuzz" / "corpus" / "image" / "rgb.png"

    def run(folder):
        lines = "".join(f"{picture}\t{t}\n" for t in TEXTS)
        args = ("--format", "jsonl", "--embeddings", "--full-precision")
        done = run_cah("score", "-", "--model", folder, *args, input=lines, check=True)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return (
            np.array([r["text_embedding"] for r in rows]),
            np.array([r["image_embedding"] for r in rows]),
        )

    return run


def expected(run_cah, padding):
    """The sums, with so much padding."""
    done = run_cah("model", "tokens", DEMO, input="\n".join(TEXTS) + "\n", check=True)
    sums = []
    for line in done.stdout.splitlines():
        ids = [int(i) for i in line.split()]
        ids += [END] * (CONTEXT - len(ids)) if padding else []
        total = TABLE[ids].sum(0)
        sums.append(total / np.linalg.norm(total))
    return np.array(sums)


@pytest.mark.parametrize(
    ("how", "padding", "tolerance"),
    [
        ({"mask": True}, False, 1e-4),
        ({"mask": True, "length": CONTEXT}, False, 1e-4),
        ({"mask": True, "ids": 6}, False, 1e-4),
        ({"mask": True, "kind": np.float16}, False, 1e-2),
        ({"mask": False}, True, 1e-4),
        ({"mask": False, "length": CONTEXT}, True, 1e-4),
    ],
    ids=["mask", "fixed", "int32", "half", "padding counts", "fixed, padding counts"],
)
def test_texts_are_padded_as_the_graph_needs_it(
    run_cah, model, embed, how, padding, tolerance
):
    text_tower(model / "onnx" / "text_model.onnx", **how)
    got, _ = embed(model)
    assert np.abs(got - expected(run_cah, padding)).max() < tolerance


def test_images_go_through_a_graph_in_half_precision(model, embed):
    text_tower(model / "onnx" / "text_model.onnx", mask=True)
    _, plain = embed(model)
    image_tower(model / "onnx" / "vision_model.onnx", kind=np.float16)
    _, half = embed(model)
    assert np.abs(plain - half).max() < 1e-2


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: text_tower(m / "onnx/text_model.onnx", length=40), "at most 32"),
        (
            lambda m: image_tower(m / "onnx/vision_model.onnx", dimension=2),
            "images have embeddings of 2 numbers, texts of 3",
        ),
        (
            lambda m: (m / "preprocessor_config.json").write_text('{"size": 5000}'),
            "size is not within 1..4096",
        ),
    ],
)
def test_towers_that_do_not_fit_are_told_in_one_line(run_cah, model, spoil, said):
    text_tower(model / "onnx" / "text_model.onnx", mask=True)
    spoil(model)
    done = run_cah("model", "check", model)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
