"""Writes the towers in the layout of the hub's ONNX exports of CLIP."""

import json

import onnx
import torch
from bpe import END, START
from model import CONTEXT, DIM, MEAN, SIDE, STD, Calibrated

OPSET = 17


def put(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_tokenizer(out, tokenizer):
    merges = [" ".join(pair) for pair in tokenizer.merges]
    put(out / "vocab.json", tokenizer.vocab)
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = [
        {"id": tokenizer.vocab[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for t in (START, END)
    ]  # fmt: skip
    put(
        out / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": special,
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
                {"type": "Lowercase"}]},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "behavior": "Removed", "invert": True, "pattern": {
                    "Regex": "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
            "post_processor": {"type": "RobertaProcessing", "sep": [END, tokenizer.vocab[END]],
                               "cls": [START, tokenizer.vocab[START]], "trim_offsets": False,
                               "add_prefix_space": False},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": END, "continuing_subword_prefix": "",
                      "end_of_word_suffix": "</w>", "fuse_unk": False, "vocab": tokenizer.vocab,
                      "merges": merges},
        },
    )  # fmt: skip
    put(
        out / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "model_max_length": CONTEXT,
         "bos_token": START, "eos_token": END, "pad_token": END, "padding_side": "right", "unk_token": END},
    )  # fmt: skip


def write_configs(out, vocab):
    put(
        out / "config.json",
        {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": DIM,
         "text_config": {"vocab_size": vocab, "max_position_embeddings": CONTEXT},
         "vision_config": {"image_size": SIDE}},
    )  # fmt: skip
    put(
        out / "preprocessor_config.json",
        {"do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": SIDE}, "resample": 3,
         "do_center_crop": True, "crop_size": {"height": SIDE, "width": SIDE}, "do_rescale": True,
         "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": list(MEAN), "image_std": list(STD)},
    )  # fmt: skip


def halve_weights(path):
    """Stores large weights as float16; a Cast in the graph makes them float32."""
    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or len(weight.raw_data) < 4096:
            continue
        values = onnx.numpy_helper.to_array(weight).astype("float16")
        name = weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(values, name + "_half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT
            )
        )
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = DIM
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_tower(path, module, example, name_in, name_out):
    axes = {name_in: {0: "batch"}, name_out: {0: "batch"}}
    if name_in == "input_ids":
        axes[name_in][1] = "sequence"
    torch.onnx.export(
        module, (example,), str(path), input_names=[name_in], output_names=[name_out],
        dynamic_axes=axes, opset_version=OPSET, dynamo=False, do_constant_folding=True,
    )  # fmt: skip
    halve_weights(str(path))


def write(out, image_tower, text_tower, tokenizer, share):
    onnx_dir = out / "onnx"
    onnx_dir.mkdir(parents=True, exist_ok=True)
    image = Calibrated(image_tower, share, 1).eval()
    text = Calibrated(text_tower, share, -1).eval()
    pixels = torch.zeros(2, 3, SIDE, SIDE)
    ids = torch.tensor([tokenizer("a red circle"), tokenizer("two blue stars")])
    with torch.no_grad():
        write_tower(
            onnx_dir / "vision_model.onnx",
            image,
            pixels,
            "pixel_values",
            "image_embeds",
        )
        write_tower(onnx_dir / "text_model.onnx", text, ids, "input_ids", "text_embeds")
    image_tower.train()
    text_tower.train()
    write_tokenizer(out, tokenizer)
    write_configs(out, len(tokenizer.vocab))
