"""What the project says about itself: that the documents tell of everything that
the lists in the code have, and of nothing else, and that the code keeps to the
layers, sizes and comments that docs/hacking.md asks for."""

import ast
import fnmatch
import functools
import inspect
import json
import os
import re
import subprocess
import sys

import crawlingathome
import pytest
from conftest import ROOT
from crawlingathome import distcompute
from test_dataset_peer import DIMENSION, make_pairs, write

LINES_MAX = 800  # of one file of code
LAYERS = [
    {"base"},
    {"wire", "store", "dedup", "wat", "fetch", "image", "clip", "dataset"},
    {"decode"},
    {"client", "tracker", "worker", "gather"},
    {"demo"},
    {"cli"},
]
# Beside `--option`s of the program: those of everything, and an example's name.
OPTIONS_OF_ALL = {"--help", "--version", "--some-name"}


def read(name):
    return (ROOT / name).read_text()


@functools.cache
def all_files():
    """The paths from the root of all files of the project; where git cannot tell,
    of all that do not look like something made."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return sorted(n for n in done.stdout.split("\0") if n and (ROOT / n).is_file())
    names = (p.relative_to(ROOT) for p in ROOT.rglob("*") if p.is_file())
    made = re.compile(r"build.*|\.(?!ci|clang).*|__pycache__")
    return sorted(str(n) for n in names if not any(map(made.fullmatch, n.parts)))


def tracked(*patterns):
    """The files that are one of `patterns`, or in a folder that is."""
    return [
        name
        for name in all_files()
        if any(fnmatch.fnmatch(name, p) or name.startswith(p + "/") for p in patterns)
    ]


def rows(name, macro):
    """The rows of a .def file, as tuples of their arguments: words and texts."""
    text = re.sub(r"/\*.*?\*/", "", read(name), flags=re.DOTALL)
    found = []
    argument = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,()"]+)\s*[,)]')
    for start in re.finditer(rf"^{macro}\(", text, re.MULTILINE):
        at, row = start.end(), []
        while True:
            got = argument.match(text, at)
            word = got[1].strip()
            row.append(ast.literal_eval(word) if word[0] == '"' else word)
            at = got.end()
            if text[at - 1] == ")":
                break
        found.append(tuple(row))
    assert found, f"{name} has no rows of {macro}"
    return found


def table_rows(text):
    """The rows of all tables in Markdown, as lists of cells."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [re.split(r"\s*(?<!\\)\|\s*", line)[1:-1] for line in lines]


def section(name, heading):
    """What stands under a heading of the second level."""
    return re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)",
        read(name),
        re.MULTILINE | re.DOTALL,
    )[1]


COMMANDS = [name for name, _ in rows("src/cli/cmds.def", "CMD")]


# ------------------------------------------------------------------- commands


def test_every_manual_page_is_of_a_command_and_every_command_has_one():
    pages = {p.stem for p in (ROOT / "docs" / "man").glob("*.md")}
    assert pages == {"cah"} | {f"cah-{name}" for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_manual_page_has_the_options_of_the_help(run_cah, name):
    told = run_cah(name, "--help", check=True)
    options = set(re.findall(r"^  (--[a-z][a-z-]*)", told.stdout, re.MULTILINE))
    written = set(
        re.findall(r"(?<![\w-])--[a-z][a-z-]*", read(f"docs/man/cah-{name}.md"))
    )
    assert written - OPTIONS_OF_ALL == options - OPTIONS_OF_ALL
    assert re.search(r"^examples:\n  \S", told.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_manual_page_has_the_defaults_of_the_help(run_cah, name):
    """Where it has a row for the option: cah run points to cah work's."""
    told = run_cah(name, "--help", check=True).stdout
    rows_of = {
        option: row
        for row in table_rows(read(f"docs/man/cah-{name}.md"))
        for option in re.findall(r"--[a-z-]+", row[0])
    }
    for option, value in re.findall(
        r"^  (--[a-z-]+).*\(default (.+)\)$", told, re.MULTILINE
    ):
        if option in rows_of:
            row = " ".join(rows_of[option]).replace(",", "")
            assert value in row or "one a core" in row, option


@pytest.mark.parametrize("name", COMMANDS)
def test_a_manual_page_has_examples(name):
    lines = re.findall(
        rf"^    .*\bcah {name}\b", read(f"docs/man/cah-{name}.md"), re.MULTILINE
    )
    assert len(lines) >= 2  # the first tells how to call it


def test_the_overview_has_every_command_with_its_text(run_cah):
    told = run_cah("--help", check=True).stdout
    page = table_rows(read("docs/man/cah.md"))
    for name, text in rows("src/cli/cmds.def", "CMD"):
        assert re.search(rf"^  {name} +{re.escape(text)}$", told, re.MULTILINE)
        assert [f"[{name}](cah-{name}.md)", text] in page


# -------------------------------------------------------------- lists of code


def test_every_fate_is_told():
    told = [row for row in table_rows(section("docs/dataset.md", "Fates"))]
    want = [
        [f"`{key}`", stage, text]
        for _, key, stage, text in rows("src/base/fates.def", "FATE")
    ]
    assert [row for row in told if row[0].startswith("`")] == want


def test_every_column_is_told():
    types = {"INT64": "int64", "INT32": "int32", "TEXT": "string", "DOUBLE": "double"}
    told = table_rows(section("docs/dataset.md", "Columns"))
    assert [row[:2] for row in told if row[0].startswith("`")] == [
        [f"`{name}`", types[type]]
        for name, type, _ in rows("src/dataset/columns.def", "COLUMN")
    ]


def test_every_stage_is_told():
    told = [row[0] for row in table_rows(read("docs/architecture.md"))]
    stages = [name for name, _, _ in rows("src/worker/stages.def", "STAGE")]
    assert [name for name in told if name in stages] == stages


def test_every_error_code_is_told():
    told = table_rows(read("docs/client.md"))
    for name, code, _, python, text in rows("include/cah/errors.def", "ERR"):
        assert [f"`CAH_E{name}`", code, python, text] in told


def test_every_call_is_told():
    text = read("docs/protocol.md")
    for _, _, method, path, *_ in rows("src/wire/routes.def", "ROUTE"):
        assert f"| {method} {path} |" in text


# --------------------------------------------------------------- dependencies


def packages():
    """The Debian packages of tools/install-deps."""
    words = re.search(
        r"^packages=\((.*?)^\)", read("tools/install-deps"), re.MULTILINE | re.DOTALL
    )[1]
    return re.sub(r"#.*", "", words).split()


def wheels():
    """{name: version} of all lists of wheels; of the bench's what was asked for, not
    what that brings along."""
    lists = [p.read_text() for p in sorted((ROOT / "tools").glob("requirements*.txt"))]
    lists.append(read("tools/bench-requirements.txt").partition("\n\n")[0])
    lines = "\n".join(lists).splitlines()
    return dict(ln.split("==") for ln in lines if ln and not ln.startswith("#"))


def test_every_dependency_has_a_row():
    debian, pypi = [], {}
    for row in table_rows(read("docs/dependencies.md")):
        library, source, licence, why = row
        if library == "library" or library.startswith("---"):
            continue
        assert licence
        assert why
        origin, *names = re.sub(r"\s*\(.*?\)", "", source).split(", ")
        if origin == "PyPI":
            pypi.update(name.split() for name in names)
        else:
            assert origin == "Debian 12"
            debian += [name.split()[0] for name in names]
    assert sorted(debian) == sorted(packages())
    assert pypi == wheels()


# --------------------------------------------------------------------- layers


@pytest.mark.parametrize("folder", sorted(set().union(*LAYERS)))
def test_a_folder_includes_itself_and_lower_layers_only(folder):
    level = next(i for i, layer in enumerate(LAYERS) if folder in layer)
    allowed = {folder}.union(*LAYERS[:level])
    wrong = []
    for name in tracked(f"src/{folder}"):
        if not name.endswith((".c", ".h", ".cc")):
            continue
        for other in re.findall(r'^#include "(\w+)/', read(name), re.MULTILINE):
            if other not in allowed:
                wrong.append(f"{name} includes {other}/")
    assert not wrong


def test_every_folder_has_a_layer():
    folders = {name.split("/")[1] for name in tracked("src")}
    assert folders == set().union(*LAYERS)


def test_the_public_headers_include_nothing_of_ours_but_themselves():
    for name in tracked("include", "python", "examples"):
        if name.endswith((".c", ".h")):
            own = re.findall(r'^#include "([^"]+)"', read(name), re.MULTILINE)
            assert set(own) <= {"ext.h"}, name


def test_cpp_is_in_shims_only():
    wrong = [
        name
        for name in tracked("*.cc", "*.cpp", "*.cxx", "*.hh", "*.hpp")
        if not name.endswith("_shim.cc")
    ]
    assert not wrong


# ----------------------------------------------------------------- every file


def test_files_of_code_are_short():
    code = tracked("*.c", "*.h", "*.cc", "*.def", "*.py", "*.build", "tools/*", "*.css")
    long = {name: len(read(name).splitlines()) for name in code}
    assert {n: lines for n, lines in long.items() if lines > LINES_MAX} == {}


def own_texts():
    """Every file that is not data of somebody else's making."""
    data = ("tests/fuzz/corpus/", "tests/data/", "demo/", "models/")
    for name in all_files():
        if not name.startswith(data):
            yield name, read(name)


def test_nothing_is_left_for_later():
    mark = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!-)")
    wrong = [name for name, text in own_texts() if mark.search(text)]
    assert not wrong


def test_no_file_knows_the_machine_that_it_was_written_on():
    mark = re.compile(r"(?<![\w.$}~-])/(?:work|home|root)/\w")
    wrong = [name for name, text in own_texts() if mark.search(text)]
    assert not wrong


def test_no_file_says_where_packages_are_to_come_from():
    mark = re.compile(
        r"--(?:extra-)?index[-]url|--trusted[-]host|^deb(?:-src)? \S", re.MULTILINE
    )
    wrong = [name for name, text in own_texts() if mark.search(text)]
    assert not wrong


# ------------------------------------------------------------------ documents

DOCUMENTS = tracked("*.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_points_to_is_there(name):
    text = read(name)
    folder = (ROOT / name).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            anchors = [
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings
            ]
            assert anchor in anchors, link


def test_calls_of_the_program_in_documents_are_right(run_cah):
    """Those of blocks of code: the command, and the options it is given."""
    options = {
        name: set(re.findall(r"--[a-z-]+", run_cah(name, "--help", check=True).stdout))
        for name in COMMANDS
    }
    calls = 0
    for name in DOCUMENTS:
        text = read(name).replace("\\\n", " ")
        for line in re.findall(r"^    (.*)$", text, re.MULTILINE):
            for command, rest in re.findall(r"(?:^|[ /])cah ([a-z]+)([^|#]*)", line):
                assert command in COMMANDS, f"{name}: {line}"
                given = set(re.findall(r"(?<!\S)\[?(--[a-z-]+)", rest))
                assert given <= options[command], f"{name}: {line}"
                calls += 1
    assert calls > 20


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_files_that_a_document_names_are_there(name):
    """In backticks, by a path from the root; `x` stands for any name."""
    for path in re.findall(
        r"`((?:src|tests|tools|docs|include|examples|deploy)/[\w./-]*)`", read(name)
    ):
        assert re.search(r"[_/-]x\b", path) or (ROOT / path).exists(), path


def test_the_files_that_other_files_name_are_there():
    """By a path from the root, in comments of all languages."""
    path = re.compile(
        r"(?<![\w./-])((?:src|tests|tools|docs|include|examples|models|python|deploy)/[\w./-]*"
        r"\.(?:md|py|c|h|cc|def|build|json|txt|gz|yml|conf|service))\b"
    )
    wrong = [
        f"{name}: {found}"
        for name, text in own_texts()
        for found in path.findall(text)
        if not re.search(r"[_/-](?:x|NAME)[_.]", found) and not (ROOT / found).exists()
    ]
    assert not wrong


@pytest.mark.parametrize("name", tracked("include/cah/*.h"))
def test_every_public_prototype_has_a_comment(name):
    """A paragraph of prototypes begins with one."""
    for paragraph in re.split(r"\n\s*\n", read(name)):
        if re.search(r"^CAH_API ", paragraph, re.MULTILINE):
            assert paragraph.startswith("/*"), paragraph


# ------------------------------------------------------ versions, and Python's


def test_the_version_is_the_same_everywhere():
    numbers = re.findall(
        r"define CAH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", read("include/cah/version.h")
    )
    version = ".".join(numbers)
    assert re.search(r"^  version: '(.+)',$", read("meson.build"), re.MULTILINE).group(
        1
    ) == (version)
    assert crawlingathome.__version__ == version
    soversion = re.search(r"soversion: '(\d+)'", read("meson.build")).group(1)
    assert soversion == numbers[0]


@pytest.mark.parametrize("name", tracked("python/*.py", "python/*.pyi"))
def test_the_package_is_python_3_8(name):
    ast.parse(read(name), name, feature_version=(3, 8))


@pytest.mark.parametrize("name", tracked("python/*/*.py"))
def test_annotations_are_not_evaluated_where_python_3_8_could_not(name):
    tree = ast.parse(read(name))
    newer = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign | ast.FunctionDef)
    ]
    postponed = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for node in tree.body
    )
    assert postponed or not any(" | " in ast.unparse(node) for node in newer)


def test_the_stub_tells_what_the_extension_has():
    tree = ast.parse(read("python/crawlingathome/_ext.pyi"))
    extension = crawlingathome._ext
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for cls in classes:
        told = {f.name for f in cls.body if isinstance(f, ast.FunctionDef)}
        has = {n for n in dir(getattr(extension, cls.name)) if n[0] != "_"}
        assert told - {"__new__"} == has
    names = {cls.name for cls in classes}
    assert {n for n in dir(extension) if n[0] != "_"} == names | {"version"}


def test_help_tells_of_every_call():
    classes = [getattr(crawlingathome.core, n) for n in crawlingathome.core.__all__]
    for cls in [*classes, distcompute.Client]:
        for method in vars(cls):
            if not method.startswith("_"):
                assert inspect.getdoc(getattr(cls, method)), f"{cls.__name__}.{method}"


# -------------------------------------------------------- the dataset, as told


@pytest.fixture
def shards(tmp_path):
    pairs = make_pairs(tmp_path, 50)
    for pair in pairs:
        length = sum(x * x for x in pair["image_embedding"]) ** 0.5
        pair["image_embedding"] = [x / length for x in pair["image_embedding"]]
    for name, part in (("00000001", pairs[:30]), ("00000002", pairs[30:])):
        assert write(tmp_path / "shards", name, part).returncode == 0
    return tmp_path / "shards"


def test_every_field_of_the_stats_is_told(shards):
    stats = json.loads((shards / "00000001.stats.json").read_text())
    told = [row[0] for row in table_rows(section("docs/dataset.md", "Counts"))]
    assert [name for name in told if name.startswith("`")] == [
        f"`{key}`" for key in stats
    ]


def test_the_examples_of_reading_run_as_they_stand(shards, tmp_path):
    lines = section("docs/dataset.md", "Reading it").splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    ") or not line)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"50 pairs, {DIMENSION} numbers each" in done.stdout


def test_a_prefix_that_is_given_holds_after_a_build():
    def dry_run(*args):
        done = subprocess.run(
            ["make", "-n", "install", *args],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k != "PREFIX"},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    assert "-Dprefix=/opt/x" in dry_run("PREFIX=/opt/x")
    assert "-Dprefix" not in dry_run()
