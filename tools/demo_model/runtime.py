"""Runs a model folder in the layout of the hub's ONNX exports, without torch."""

import json
from pathlib import Path

import numpy as np
from bpe import Tokenizer
from PIL import Image

BATCH = 64


def open_graph(path):
    """A function from one input array to one output array. ONNX Runtime, or
    OpenVINO where that is not installed."""
    try:
        import onnxruntime
    except ImportError:
        import openvino

        compiled = openvino.Core().compile_model(str(path), "CPU")
        return lambda array: compiled(array)[0]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    name = session.get_inputs()[0].name
    return lambda array: session.run(None, {name: array})[0]


class Model:
    def __init__(self, folder):
        folder = Path(folder)
        self.image_graph = open_graph(folder / "onnx" / "vision_model.onnx")
        self.text_graph = open_graph(folder / "onnx" / "text_model.onnx")
        config = json.loads((folder / "tokenizer_config.json").read_text())
        self.tokenizer = Tokenizer.read(folder, config["model_max_length"])
        plan = json.loads((folder / "preprocessor_config.json").read_text())
        self.side = plan["size"]["shortest_edge"]
        self.mean = np.asarray(plan["image_mean"], np.float32)
        self.std = np.asarray(plan["image_std"], np.float32)

    def pixels(self, image):
        """The shortest edge to the model's side, then the middle, as CLIP does."""
        image = image.convert("RGB")
        scale = self.side / min(image.size)
        size = [max(self.side, int(edge * scale)) for edge in image.size]
        image = image.resize(size, Image.BICUBIC)
        x, y = ((edge - self.side) // 2 for edge in size)
        image = image.crop((x, y, x + self.side, y + self.side))
        values = (np.asarray(image, np.float32) / 255 - self.mean) / self.std
        return values.transpose(2, 0, 1)

    def embed_images(self, images):
        return self.embed(self.image_graph, np.stack([self.pixels(i) for i in images]))

    def embed_texts(self, texts):
        ids = np.asarray([self.tokenizer(t) for t in texts], np.int64)
        return self.embed(self.text_graph, ids)

    @staticmethod
    def embed(graph, values):
        pieces = [graph(values[i : i + BATCH]) for i in range(0, len(values), BATCH)]
        out = np.concatenate(pieces)
        return out / np.linalg.norm(out, axis=1, keepdims=True)
