"""`cah score`: similarities of image files and texts, equal to ONNX Runtime's."""

import json
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

DEMO = ROOT / "models" / "demo"
SCENES = 1000
sys.path.append(str(ROOT / "tools" / "demo_model"))

import evaluate
import runtime
import scenes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Scenes, each in a file, with pairs of a right and an altered caption."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(evaluate.SEED + 1)
    rows = []
    for k in range(SCENES):
        scene = scenes.draw_lots(rng)
        width, height = (int(n) for n in rng.integers(100, 260, size=2))
        picture = scenes.draw_scene(scene, rng, width, height)
        name = f"{k:04}.jpg"
        data = scenes.as_jpeg(picture, int(rng.integers(55, 96)))
        (folder / name).write_bytes(data)
        attribute = scenes.ATTRIBUTES[k % len(scenes.ATTRIBUTES)]
        rows.append((name, scene, scenes.caption(rng, scene), attribute))
    pairs = []
    for k, (name, scene, caption, attribute) in enumerate(rows):
        pairs.append((name, caption.text, "right"))
        other = rows[(k + 1) % SCENES][2]
        if not scenes.truth([scenes.facts_row(other.facts)], [scenes.facts_row(scene)]):
            pairs.append((name, other.text, "other"))
        altered = scenes.altered_pair(rng, scene, attribute)
        if altered is not None:
            pairs.append((name, altered[0].text, "named"))
            pairs.append((name, altered[1].text, "altered"))
    text = "".join(f"{name}\t{caption}\n" for name, caption, _ in pairs)
    (folder / "pairs.tsv").write_text(text)
    return folder, pairs


@pytest.fixture(scope="module")
def scored(run_cah, drawn):
    """The similarity of each pair, by kind, with embeddings in full precision."""
    folder, _ = drawn
    args = ("--model", DEMO, "--format", "jsonl", "--embeddings", "--full-precision")
    done = run_cah("score", folder / "pairs.tsv", *args, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def peer(drawn):
    """The same embeddings by Pillow and ONNX Runtime."""
    folder, pairs = drawn
    model = runtime.Model(DEMO)
    some = pairs[:400]
    images = model.embed_images([Image.open(folder / name) for name, _, _ in some])
    return images, model.embed_texts([text for _, text, _ in some])


def similarities(drawn, scored, kind):
    return np.array(
        [row["similarity"] for row, pair in zip(scored, drawn[1]) if pair[2] == kind]
    )


def test_right_captions_stand_out_from_those_of_other_scenes(drawn, scored):
    right = similarities(drawn, scored, "right")
    assert len(right) == SCENES
    assert evaluate.auc(right, similarities(drawn, scored, "other")) >= 0.99


def test_right_captions_stand_out_from_altered_ones(drawn, scored):
    named = similarities(drawn, scored, "named")
    assert len(named) > SCENES // 2
    assert evaluate.auc(named, similarities(drawn, scored, "altered")) >= 0.95


def cosines(rows, name, theirs):
    ours = np.array([row[name] for row in rows[: len(theirs)]])
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-4
    return (ours * theirs).sum(1)


def test_text_embeddings_equal_onnx_runtimes(scored, peer):
    assert cosines(scored, "text_embedding", peer[1]).min() > 0.9999


def test_image_embeddings_equal_those_of_pillow_and_onnx_runtime(scored, peer):
    """Decoding and resampling of our own are in between."""
    worst = cosines(scored, "image_embedding", peer[0])
    assert worst.min() > 0.999
    assert worst.mean() > 0.9999


def test_bfloat16_changes_little(run_cah, drawn, scored):
    folder, pairs = drawn
    done = run_cah("score", folder / "pairs.tsv", "--model", DEMO, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [r[:2] for r in rows] == [[name, text] for name, text, _ in pairs]
    close = [abs(float(r[2]) - s["similarity"]) for r, s in zip(rows, scored)]
    assert max(close) < 0.05
    assert f"{len(pairs)} pairs scored, 0 without a similarity" in done.stderr


def test_images_that_cannot_be_read_are_named_and_do_not_stop_it(
    run_cah, drawn, tmp_path
):
    good = (drawn[0] / "0000.jpg").read_bytes()
    (tmp_path / "good.jpg").write_bytes(good)
    (tmp_path / "cut.jpg").write_bytes(good[:300])
    (tmp_path / "page.jpg").write_bytes(b"<html>not found</html>" * 300)
    (tmp_path / "folder").mkdir()
    names = ("good.jpg", "cut.jpg", "page.jpg", "folder", "none.jpg", "good.jpg")
    lines = [json.dumps({"image": n, "text": "a\tred\ncircle"}) for n in names]
    (tmp_path / "pairs.jsonl").write_text("\n\n".join(lines) + "\n")
    args = (tmp_path / "pairs.jsonl", "--model", DEMO)
    done = run_cah("score", *args, "--format", "jsonl", check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["image"] for r in rows] == list(names)
    assert all(r["text"] == "a\tred\ncircle" for r in rows)
    assert [r.get("error") for r in rows] == [
        None,
        "broken_image",
        "not_an_image",
        "unreadable",
        "no_such_file",
        None,
    ]
    assert rows[0]["similarity"] == rows[5]["similarity"]
    tsv = run_cah("score", *args, "--quiet", check=True)
    assert tsv.stderr == ""
    assert tsv.stdout.splitlines()[1] == "cut.jpg\ta red circle\t\tbroken_image"


def test_output_appears_whole_or_not_at_all(run_cah, drawn, tmp_path):
    folder, pairs = drawn
    lines = "".join(f"{name}\t{text}\n" for name, text, _ in pairs[:100])
    out = tmp_path / "out.tsv"
    args = ("--model", DEMO, "--base", folder, "--output", out)
    done = run_cah("score", "-", *args, input=lines, check=True)
    assert done.stdout == ""
    assert len(out.read_text().splitlines()) == 100
    out.unlink()
    broken = run_cah("score", "-", *args, input=lines + "no tab\n")
    assert broken.returncode == 1
    assert broken.stderr == (
        "cah score: standard input: line 101: no tab between image and text\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["x.tsv"], 2, "missing --model DIR"),
        ([], 2, "missing PAIRS"),
        (["none.tsv", "--model", DEMO], 1, "none.tsv: no such file"),
        (["-", "--model", "none"], 1, "none"),
        (["-", "--model", DEMO, "--format", "xml"], 2, "neither tsv nor jsonl"),
        (["-", "--model", DEMO, "--embeddings"], 2, "needs --format jsonl"),
        (["-", "--model", DEMO, "--threads", "-1"], 2, "--threads"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(run_cah, args, status, said):
    done = run_cah("score", *args, input="")
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_nothing_to_score_is_nothing_printed(run_cah):
    done = run_cah("score", "-", "--model", DEMO, input="\n\n", check=True)
    assert done.stdout == ""


def test_all_images_unreadable_is_a_failure(run_cah):
    done = run_cah("score", "-", "--model", DEMO, input="none.jpg\ta text\n")
    assert done.returncode == 1
    assert "no image could be read" in done.stderr
