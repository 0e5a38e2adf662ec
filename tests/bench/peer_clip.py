"""The speed of a CLIP model as a script runs it: batches of 64, one after the
other, from pixels and words to rows of length 1.

usage: peer_clip.py openvino|onnxruntime MODEL THREADS SECONDS
"""

import json
import pathlib
import sys
import time

import numpy as np

BATCH = 64
TEXTS = ("a photo of a small dog on a beach", "two red circles, left of a star")
PEERS = pathlib.Path(__file__).resolve().parents[2] / ".venv" / "peers"


def open_openvino(path, threads):
    import openvino

    how = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "THROUGHPUT"}
    model = openvino.Core().compile_model(path, "CPU", how)
    return lambda rows: model(rows)[0]


def open_onnxruntime(path, threads):
    import onnxruntime

    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, how, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows})[0]


def normalised(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rate(call, seconds):
    call()
    count = 0
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        call()
        count += BATCH
    return count / (time.perf_counter() - start)


def main():
    engine, folder, threads, seconds = sys.argv[1:]
    sys.path.append(str(PEERS))
    import tokenizers

    folder = pathlib.Path(folder)
    opener = open_openvino if engine == "openvino" else open_onnxruntime
    vision, text = (
        opener(str(folder / "onnx" / f"{name}_model.onnx"), int(threads))
        for name in ("vision", "text")
    )
    plan = json.loads((folder / "preprocessor_config.json").read_text())
    mean, std = (np.float32(plan[f"image_{name}"]) for name in ("mean", "std"))
    size = plan["crop_size"]
    shape = (BATCH, size["height"], size["width"], 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()

    def images():
        values = (pixels.astype(np.float32) / 255 - mean) / std
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return normalised(vision(values))

    def texts():
        found = tokenizer.encode_batch(list(TEXTS) * (BATCH // len(TEXTS)))
        return normalised(text(np.array([f.ids for f in found], np.int64)))

    result = {
        "images_per_second": rate(images, float(seconds)),
        "texts_per_second": rate(texts, float(seconds)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
