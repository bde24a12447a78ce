"""The data part: catalogue, fixed splits, downloads, mirrors, and bad input in one sentence."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers import data, data_catalog, data_formats, data_sources

EMBEDDED = {"digits": 10, "breast_cancer": 2, "wine": 3, "iris": 3, "diabetes": 0}
MIRROR = os.environ.get("COURSE_DATA_DIR", "")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="COURSE_DATA_DIR names no local mirror")


def one_sentence(error: pytest.ExceptionInfo) -> str:
    """The message of an error, after a check that it is a single line that says what to do."""
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 600
    assert ":" in message
    return message


# --- Catalogue and cards ---------------------------------------------------------------------


def test_catalogue_is_complete():
    entries = data.catalogue()
    assert len({entry.name for entry in entries}) == len(entries) >= 17
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9_]+", entry.name)
        assert entry.kind in ("image", "table", "series", "text", "documents")
        assert entry.title
        assert entry.licence
        assert entry.source
        assert "\n" not in entry.source
        assert set(entry.profiles) <= {"quick", "full", "gpu"}
        assert entry.profiles
        assert entry.embedded == (not entry.files) == (entry.size_bytes == 0)
        assert not (entry.embedded and data.where(entry.name) != "embedded")
        for file in entry.files:
            assert file.urls
            assert all(url.startswith("https://") for url in file.urls)
            assert file.sha256
            assert all(re.fullmatch(r"[0-9a-f]{64}", x) for x in file.sha256)
            assert file.size_bytes > 0
            assert not Path(file.name).is_absolute()
            assert ".." not in Path(file.name).parts
            branches = ("/master/", "/main/", "/HEAD/")
            assert not any(part in url for url in file.urls for part in branches)


def test_every_data_set_has_a_card_that_agrees_with_the_catalogue():
    entries = data.catalogue()
    for entry in entries:
        card = entry.card.read_text(encoding="utf-8")
        assert entry.source in card, entry.name
        assert entry.licence in card, entry.name
        for heading in ("# " + entry.title, "## Size", "## Splits", "## Known problems"):
            assert heading in card, (entry.name, heading)
    assert {path.stem for path in entries[0].card.parent.glob("*.md")} == {e.name for e in entries}


def test_unreadable_catalogue_is_one_sentence(tmp_path, monkeypatch):
    broken = tmp_path / "catalog.yaml"
    monkeypatch.setattr(data_catalog, "CATALOG", broken)
    for content in (None, "- name: [", "- name: x\n", "17"):
        if content is not None:
            broken.write_text(content, encoding="utf-8")
        with pytest.raises(data.DataError, match="restore the file"):
            data.catalogue()


@pytest.mark.parametrize(
    ("call", "name", "suggestion"),
    [
        (data.load, "fashion_mnits", "fashion_mnist"),
        (data.load, "Breast-Cancer", "breast_cancer"),
        (data.text, "python_doc", "python_docs"),
        (data.documents, "docstring", "docstrings"),
        (data.where, "cifar_10", "cifar10"),
        (data.fetch, "adlut", "adult"),
    ],
)
def test_misspelt_name_suggests_the_closest(call, name, suggestion):
    with pytest.raises(data.DataError) as error:
        call(name)
    assert f"did you mean {suggestion!r}" in one_sentence(error)


def test_unknown_name_lists_what_there_is():
    with pytest.raises(data.DataError) as error:
        data.text("zzzzzz")
    assert "python_docs, tiny_shakespeare" in one_sentence(error)


@pytest.mark.parametrize(
    ("call", "name", "advice"),
    [
        (data.load, "python_docs", "data.text('python_docs')"),
        (data.text, "digits", "data.load('digits')"),
        (data.load, "docstrings", "data.documents('docstrings')"),
    ],
)
def test_name_of_another_kind_names_the_right_function(call, name, advice):
    with pytest.raises(data.DataError) as error:
        call(name)
    assert f"use {advice}" in one_sentence(error)


# --- Embedded data ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_set_is_a_partition_of_the_original(name):
    from sklearn import datasets

    split = data.load(name)
    options = {"scaled": False} if name == "diabetes" else {}
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    scale = 16 if name == "digits" else 1
    ours = np.concatenate([split.x_train, split.x_test]).reshape(len(x), -1) * scale
    ours = np.column_stack([ours, np.concatenate([split.y_train, split.y_test])])
    theirs = np.column_stack([x, y])
    assert len(split.x_train) == len(split.y_train)
    assert len(split.x_test) == len(split.y_test)
    # Same rows, each as often: nothing lost, nothing in both parts that was there once.
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    assert len(split.class_names) == EMBEDDED[name]
    assert all(type(text) is str for text in split.class_names + split.feature_names)
    assert len(split.feature_names) == (0 if name == "digits" else x.shape[1])
    if split.class_names:
        assert split.y_train.dtype == np.int64
        shares = [np.bincount(part) / len(part) for part in (split.y_train, split.y_test)]
        np.testing.assert_allclose(*shares, atol=0.02)
    assert "\n" not in split.describe()
    assert f"{len(split.y_test):,} test" in split.describe()
    assert split.source in split.describe()


def test_digits_are_images_in_the_unit_interval():
    split = data.load("digits")
    assert split.x_train.shape == (1297, 8, 8, 1)
    assert split.x_test.shape == (500, 8, 8, 1)
    assert split.x_train.dtype == np.float32
    assert split.x_train.min() == 0
    assert split.x_train.max() == 1
    train = {image.tobytes() for image in split.x_train}
    assert not any(image.tobytes() in train for image in split.x_test)


def test_loading_twice_gives_the_same():
    first, second = data.load("wine"), data.load("wine")
    np.testing.assert_array_equal(first.x_train, second.x_train)
    np.testing.assert_array_equal(first.y_test, second.y_test)
    # Pinned: a changed split would change every figure of the course.
    rows = np.ascontiguousarray(data.load("digits").y_test, dtype="<i8").tobytes()
    assert hashlib.sha256(rows).hexdigest()[:16] == "bd2e9b7c2aa9b6b5"


def test_subset_is_stratified_deterministic_and_disjoint():
    split = data.load("digits")
    small = split.subset(train=333, test=100, seed=3)
    again = split.subset(train=333, test=100, seed=3)
    assert len(small.x_train) == len(small.y_train) == 333
    assert len(small.x_test) == 100
    np.testing.assert_array_equal(small.x_train, again.x_train)
    assert not np.array_equal(small.x_train, split.subset(train=333, seed=4).x_train)
    shares = np.bincount(small.y_train) - 333 * np.bincount(split.y_train) / 1297
    assert np.abs(shares).max() < 1
    assert len({image.tobytes() for image in small.x_train}) == 333
    assert split.subset().x_train is split.x_train
    assert len(split.subset(train=1297).y_train) == 1297
    assert set(split.subset(train=10).y_train) == set(range(10))
    assert len(data.load("diabetes").subset(train=7).y_train) == 7


@pytest.mark.parametrize("count", [1298, 9, 0, -1, 10.5, "ten"])
def test_subset_refuses_impossible_counts(count):
    with pytest.raises(data.DataError) as error:
        data.load("digits").subset(train=count)
    one_sentence(error)


def test_subset_keeps_a_rare_class():
    y = np.array([0] * 995 + [1] * 5)
    split = data.Split("rare", y[:, None] * 1.0, y, y[:, None], y, ("a",), ("0", "1"), "", "")
    for train in (2, 10, 999, 1000):
        counts = np.bincount(split.subset(train=train).y_train)
        assert counts.sum() == train
        assert 1 <= counts[1] <= 5


# --- Embedded text ---------------------------------------------------------------------------


def test_python_docs_is_long_and_repeats_no_paragraph():
    from pydoc_data.topics import topics

    text = data.text("python_docs")
    assert text == data.text("python_docs")
    assert len(text) > 300_000
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    long = [p for p in paragraphs if len(p) >= 40]
    assert len(long) == len(set(long))
    words = {word for topic in topics.values() for word in topic.split()}
    assert set(text.split()) == words  # Nothing but repetitions has been left out.


@pytest.fixture(scope="module")
def docstrings() -> data.Documents:
    return data.documents("docstrings")


def test_docstrings_are_balanced_and_disjoint(docstrings):
    assert np.bincount(docstrings.labels_train).tolist() == [300] * 6
    assert np.bincount(docstrings.labels_test).tolist() == [100] * 6
    texts = docstrings.texts_train + docstrings.texts_test
    assert len({" ".join(text.lower().split()) for text in texts}) == len(texts) == 2400
    assert min(map(len, texts)) > 100
    # Shuffled: the first hundred hold every class.
    assert len(set(docstrings.labels_train[:100])) == 6


def test_docstrings_do_not_name_their_package(docstrings):
    names = re.compile(
        r"sklearn|scikit|numpy|scipy|pandas|keras|matplotlib|pyplot|\b(np|pd|sp|plt|mpl)\b", re.I
    )
    for text in docstrings.texts_train + docstrings.texts_test:
        assert not names.search(text), names.search(text)
    assert any("package.array" in text for text in docstrings.texts_train)


def test_import_is_cheap_and_pulls_in_nothing_heavy():
    code = (
        "import sys, time; start = time.process_time(); import helpers.data;"
        "seconds = time.process_time() - start;"
        "heavy = {'numpy', 'pandas', 'sklearn', 'keras', 'pooch', 'yaml'} & set(sys.modules);"
        "print(seconds, *heavy)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    results = [run.stdout.split() for run in runs]
    assert all(len(result) == 1 for result in results), results
    assert min(float(result[0]) for result in results) < 0.1


# --- Download, cache and mirror, against a real server on this machine ------------------------


class Server:
    """Files served over HTTP from 127.0.0.1; `cut` promises more bytes than it sends."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut = False
        self.requests: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if outer.cut else content)

            def log_message(self, *arguments) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


CONTENT = {"play.txt": b"To be, or not to be.\n" * 5000, "sub/more.txt": b"that is the question\n"}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server and a catalogue that names its two files as the text data set tiny_shakespeare."""
    server = Server()
    files = [
        {
            "name": name,
            "urls": [f"{server.address}/{name}"],
            "sha256": [hashlib.sha256(content).hexdigest()],
            "size_bytes": len(content),
        }
        for name, content in CONTENT.items()
    ]
    entry = {"kind": "text", "licence": "none", "source": "test", "profiles": ["full"]}
    records = [
        {"name": "tiny_shakespeare", "title": "a play", "files": files, **entry},
        {"name": "python_docs", "title": "embedded", **entry},
    ]
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump(records), encoding="utf-8")
    server.files = {f"/{name}": content for name, content in CONTENT.items()}
    server.cache, server.catalog, server.records = tmp_path / "cache", catalog, records
    monkeypatch.setattr(data_catalog, "CATALOG", catalog)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(server.cache))
    for name in ("COURSE_DATA_DIR", "COURSE_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_download_is_verified_cached_and_counted(server, capfd):
    before = data.bytes_downloaded()
    assert data.where("tiny_shakespeare") == "missing"
    paths = data.fetch("tiny_shakespeare", progress=True)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert files_under(server.cache) == set(CONTENT)
    assert data.where("tiny_shakespeare") == "cache"
    assert data.bytes_downloaded() - before == sum(map(len, CONTENT.values()))
    assert "play.txt" in capfd.readouterr().err  # The progress bar names the file.
    assert data.text("tiny_shakespeare").startswith("To be")
    assert data.fetch("tiny_shakespeare", progress=False) == paths
    assert len(server.requests) == 2  # Each file was asked for once.
    assert capfd.readouterr() == ("", "")
    assert data.fetch("python_docs") == ()


def test_corrupt_download_leaves_nothing_behind(server):
    server.files["/play.txt"] = b"x" + CONTENT["play.txt"][1:]
    before = data.bytes_downloaded()
    with pytest.raises(data.DataError) as error:
        data.fetch("tiny_shakespeare", progress=False)
    assert "another SHA-256" in one_sentence(error)
    assert files_under(server.cache) == set()
    assert data.bytes_downloaded() == before


def test_interrupted_download_leaves_nothing_behind(server):
    server.cut = True
    with pytest.raises(data.DataError) as error:
        data.fetch("tiny_shakespeare", progress=False)
    assert "could not be downloaded (127.0.0.1" in one_sentence(error)
    assert files_under(server.cache) == set()
    server.cut = False
    assert len(data.fetch("tiny_shakespeare", progress=False)) == 2


def test_unreachable_network_names_places_and_remedies(server, capfd):
    server.close()
    with pytest.raises(data.DataError) as error:
        data.text("tiny_shakespeare")
    message = one_sentence(error)
    for part in (
        "tiny_shakespeare: play.txt",
        "COURSE_DATA_DIR (not set)",
        str(server.cache),
        "`course data fetch tiny_shakespeare`",
        "set COURSE_DATA_DIR",
    ):
        assert part in message
    assert capfd.readouterr() == ("", "")  # No empty progress bar beside the sentence.


def test_second_address_is_tried(server):
    file = server.records[0]["files"][0]
    file["urls"].insert(0, f"{server.address}/gone")
    server.catalog.write_text(yaml.safe_dump(server.records), encoding="utf-8")
    assert len(data.fetch("tiny_shakespeare", progress=False)) == 2
    assert server.requests[:2] == ["/gone", "/play.txt"]
    (server.cache / "play.txt").unlink()
    server.files = {}
    with pytest.raises(data.DataError, match="answered 404"):
        data.fetch("tiny_shakespeare", progress=False)


def test_offline_forbids_downloads(server, monkeypatch):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(data.DataError) as error:
        data.fetch("tiny_shakespeare")
    assert "COURSE_OFFLINE" in one_sentence(error)
    assert server.requests == []
    monkeypatch.setenv("COURSE_OFFLINE", "0")
    assert len(data.fetch("tiny_shakespeare", progress=False)) == 2


def test_damaged_cache_file_is_reported_and_kept(server):
    path = data.fetch("tiny_shakespeare", progress=False)[0]
    path.write_bytes(b"damaged")
    with pytest.raises(data.DataError) as error:
        data.text("tiny_shakespeare")
    assert str(path) in one_sentence(error)
    assert "the cache is damaged" in one_sentence(error)
    assert path.read_bytes() == b"damaged"
    assert len(server.requests) == 2


def test_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(data.DataError) as error:
        data.fetch("tiny_shakespeare", progress=False)
    assert "cannot be written" in one_sentence(error)


def test_mirror_is_written_and_read_back(server, tmp_path, monkeypatch):
    folder = tmp_path / "new" / "mirror"
    written = data.mirror(folder)
    assert files_under(folder) == {*CONTENT, "SHA256SUMS"}
    assert written[-1].name == "SHA256SUMS"
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    server.close()
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    assert data.where("tiny_shakespeare") == "mirror"
    assert data.text("tiny_shakespeare").startswith("To be")
    assert all(path.is_relative_to(folder.resolve()) for path in data.fetch("tiny_shakespeare"))
    # Writing again, onto the mirror itself, changes nothing; other lines of the list survive.
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text(encoding="utf-8") + "0" * 64 + "  other.bin\n", encoding="utf-8")
    data.mirror(folder, ["tiny_shakespeare"])
    assert "other.bin" in sums.read_text(encoding="utf-8")
    assert files_under(folder) == {*CONTENT, "SHA256SUMS"}


def test_mirror_refuses_what_it_cannot_do(server, tmp_path):
    with pytest.raises(data.DataError, match="nothing to mirror"):
        data.mirror(tmp_path / "m", ["python_docs"])
    with pytest.raises(data.DataError, match="did you mean 'tiny_shakespeare'"):
        data.mirror(tmp_path / "m", ["tiny_shakespear"])
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(data.DataError, match="could not be written"):
        data.mirror(tmp_path / "file")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "play.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(data.DataError, match="move it away"):
        data.mirror(tmp_path / "m")
    assert (tmp_path / "m" / "play.txt").read_text(encoding="utf-8") == "mine"
    server.close()
    (server.cache / "sub" / "more.txt").unlink()
    with pytest.raises(data.DataError, match="could not be downloaded"):
        data.mirror(tmp_path / "unreached")
    assert not (tmp_path / "unreached").exists()  # All files are found before the first is copied.


def test_interrupted_mirror_leaves_no_half_written_file(server, tmp_path, monkeypatch):
    def half(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:10])

    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(data.DataError, match="not written completely"):
        data.mirror(tmp_path / "m")
    assert files_under(tmp_path / "m") == set()


def test_damaged_mirror_file_is_one_sentence(server, tmp_path, monkeypatch):
    data.mirror(tmp_path / "m")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "m"))
    data.text("tiny_shakespeare")
    path = tmp_path / "m" / "play.txt"
    path.write_bytes(CONTENT["play.txt"][:-1])
    with pytest.raises(data.DataError) as error:
        data.text("tiny_shakespeare")
    message = one_sentence(error)
    assert "play.txt in the mirror (COURSE_DATA_DIR) is damaged" in message
    assert "`course data fetch tiny_shakespeare`" in message
    assert path.exists()


@pytest.mark.parametrize("call", [data.where, data.fetch, data.text])
def test_missing_mirror_folder_is_one_sentence(server, tmp_path, monkeypatch, call):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(data.DataError) as error:
        call("tiny_shakespeare")
    assert "nowhere, which is not a folder" in one_sentence(error)
    assert server.requests == []


def test_relative_mirror_is_found_from_another_folder(server, tmp_path, monkeypatch):
    data.mirror(tmp_path / "m")
    monkeypatch.setattr(data_sources, "ROOT", tmp_path)
    monkeypatch.setenv("COURSE_DATA_DIR", "m")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert data.where("tiny_shakespeare") == "mirror"


def test_a_file_is_hashed_once(server, monkeypatch):
    data.fetch("tiny_shakespeare", progress=False)
    data.fetch("tiny_shakespeare", progress=False)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert len(data.fetch("tiny_shakespeare", progress=False)) == 2


# --- File formats ----------------------------------------------------------------------------

TS = """# a comment
@problemName Toy
@timeStamps false
@classLabel true b a
@data
1,2,3:4,5:b
-1.5,?:0,NaN:a
"""


def test_ts_parser(tmp_path):
    path = tmp_path / "toy.ts"
    path.write_text(TS, encoding="utf-8")
    series, labels, names = data_formats.read_ts(path)
    assert labels == ["b", "a"]
    assert names == ("b", "a")
    nan = np.nan
    np.testing.assert_array_equal(series[0], np.float32([[1, 4], [2, 5], [3, nan]]))
    np.testing.assert_array_equal(series[1], np.float32([[-1.5, 0], [nan, nan]]))
    padded = data_formats.pad(series)
    assert padded.shape == (2, 3, 2)
    assert np.isnan(padded[1, 2]).all()
    for old, new in (("timeStamps false", "timeStamps true"), ("true b a", "false"), ("b a", "b")):
        path.write_text(TS.replace(old, new), encoding="utf-8")
        with pytest.raises(data.DataError, match=r"toy.ts"):
            data_formats.read_ts(path)


def cifar_archive(path: Path, batches: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def cifar_batches() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    batches = {}
    for label, name in enumerate(names):
        rows = rng.integers(0, 256, (2, 3072), dtype=np.uint8)
        content = {b"data": rows, b"labels": [label, 9 - label]}
        batches[f"cifar-10-batches-py/{name}"] = pickle.dumps(content, protocol=2)
    return batches


def test_cifar_reader_orders_batches_and_channels(tmp_path):
    batches = cifar_batches()
    shuffled = dict(reversed(batches.items()))
    path = cifar_archive(tmp_path / "cifar.tar.gz", shuffled)
    x_train, y_train, x_test, y_test = data_formats.read_cifar(path)
    assert x_train.shape == (10, 32, 32, 3)
    assert x_test.shape == (2, 32, 32, 3)
    assert y_train.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert y_test.tolist() == [5, 4]
    first = pickle.loads(batches["cifar-10-batches-py/data_batch_1"])[b"data"][0]
    assert x_train[0, 2, 5].tolist() == [first[2 * 32 + 5 + 1024 * c] for c in range(3)]


def test_cifar_reader_runs_no_code_and_writes_nothing(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "attacked"),)

    batches = cifar_batches()
    batches["cifar-10-batches-py/../../test_batch"] = pickle.dumps(Payload(), protocol=2)
    path = cifar_archive(tmp_path / "cifar.tar.gz", batches)
    with pytest.raises(data.DataError, match=r"posix.mkdir|nt.mkdir"):
        data_formats.read_cifar(path)
    assert files_under(tmp_path) == {"cifar.tar.gz"}
    assert not (tmp_path / "attacked").exists()
    incomplete = dict(list(cifar_batches().items())[:3])
    with pytest.raises(data.DataError, match="3 of the 6"):
        data_formats.read_cifar(cifar_archive(tmp_path / "part.tar.gz", incomplete))


# --- The real data sets ----------------------------------------------------------------------


@needs_mirror
@pytest.mark.parametrize(
    ("name", "train", "test", "shape", "classes"),
    [
        ("fashion_mnist", 60_000, 10_000, (28, 28, 1), 10),
        ("mnist", 60_000, 10_000, (28, 28, 1), 10),
        ("adult", 32_561, 16_281, (14,), 2),
        ("compas", 4_320, 1_852, (9,), 2),
        ("italy_power_demand", 67, 1_029, (24, 1), 2),
        ("japanese_vowels", 270, 370, (29, 12), 9),
        ("basic_motions", 40, 40, (100, 6), 4),
    ],
)
def test_real_set(name, train, test, shape, classes):
    split = data.load(name)
    assert data.where(name) == "mirror"
    assert split.x_train.shape == (train, *shape)
    assert split.x_test.shape == (test, *shape)
    assert split.y_train.dtype == split.y_test.dtype == np.int64
    assert len(split.class_names) == classes
    assert set(split.y_train) == set(split.y_test) == set(range(classes))
    if len(shape) > 1:
        assert split.x_train.dtype == np.float32
    if len(shape) == 3:
        assert split.x_test.min() == 0
        assert split.x_test.max() == 1
    small = split.subset(train=classes * 3, test=classes * 2)
    assert len(small.x_train) == classes * 3
    assert len(small.x_test) == classes * 2


@needs_mirror
def test_real_values_agree_with_published_facts():
    mnist = data.load("mnist")
    assert mnist.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    fashion = data.load("fashion_mnist")
    assert np.bincount(fashion.y_test).tolist() == [1000] * 10
    assert fashion.class_names[fashion.y_train[0]] == "Ankle boot"
    adult = data.load("adult")
    assert round(adult.y_train.mean(), 4) == 0.2408  # 24.08 %, the file's own documentation.
    assert adult.x_train["sex"].dtype == adult.x_test["sex"].dtype == "category"
    assert adult.x_train["age"].dtype == np.int64
    assert adult.x_train["occupation"].isna().any()
    compas = data.load("compas")
    assert len(compas.y_train) + len(compas.y_test) == 6172  # ProPublica's own count.
    assert not {"name", "dob", "id"} & set(compas.feature_names)
    vowels = data.load("japanese_vowels")
    lengths = (~np.isnan(vowels.x_train[..., 0])).sum(axis=1)
    assert (lengths.min(), lengths.max()) == (7, 26)
    assert np.bincount(vowels.y_train).tolist() == [30] * 9


@needs_mirror
def test_real_texts():
    reviews = data.documents("movie_reviews")
    assert np.bincount(reviews.labels_train).tolist() == [800, 800]
    assert np.bincount(reviews.labels_test).tolist() == [200, 200]
    assert not set(reviews.texts_train) & set(reviews.texts_test)
    assert len(data.text("tiny_shakespeare")) == 1_115_394
