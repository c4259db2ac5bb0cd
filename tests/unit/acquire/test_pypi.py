"""Files from a package index: checked, whole or absent, with one clear sentence where they cannot be had."""

import base64
import hashlib
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from judge_archives import PIP_VARIABLES, write_index

from fmri2image.acquire import pypi
from fmri2image.acquire.pypi import PYPI, Index, configured_index, fetch, without_secrets
from fmri2image.core.errors import DataError, WriteError

DATA = b"weights " * 100_000
SHA = hashlib.sha256(DATA).hexdigest()
FILE = "some_package-1.0.tar.gz"


class Server:
    """A package index on this machine; `answers` maps a path to a list of answers, the last of which is repeated."""

    def __init__(self):
        self.answers, self.requests = {}, []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler):  # noqa: N802, N805
                self.requests.append((handler.path, dict(handler.headers)))
                waiting = self.answers.get(handler.path, [(404, {}, b"")])
                status, headers, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                handler.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_):  # noqa: N805
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def list_file(self, url="../../files/" + FILE):
        body = json.dumps({"files": [{"filename": FILE, "url": url}]}).encode()
        self.answers["/simple/some-package/"] = [(200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, body)]
        self.answers["/files/" + FILE] = [(200, {}, DATA)]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(pypi, "PAUSE", 0.01)
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def get(target, *urls, sha=SHA, **options):
    return fetch("Some.Package", "1.0", FILE, sha, target, Index(urls, **options), otherwise="do without it")


def test_file_comes_from_an_index_of_links_and_is_not_fetched_twice(tmp_path):
    archive = tmp_path / "files" / FILE
    archive.parent.mkdir()
    archive.write_bytes(DATA)
    url = write_index(tmp_path / "simple", "some-package", archive)
    target = tmp_path / "downloaded" / FILE
    assert get(target, (tmp_path / "nowhere").as_uri(), url).read_bytes() == DATA
    assert get(target).read_bytes() == DATA  # no index at all
    target.write_bytes(b"damaged")
    assert get(target, url).read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == [FILE]


def test_file_comes_from_an_index_of_json_over_http(tmp_path, server):
    server.list_file()
    assert get(tmp_path / FILE, server.address + "/simple").read_bytes() == DATA
    assert [path for path, _ in server.requests] == ["/simple/some-package/", "/files/" + FILE]
    assert "application/vnd.pypi.simple.v1+json" in server.requests[0][1]["Accept"]


def test_folder_comes_before_any_index(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / FILE).write_bytes(DATA)
    assert get(tmp_path / FILE, "https://index.invalid", folders=(tmp_path / "folder",)).read_bytes() == DATA


def test_password_reaches_its_own_host_only_and_no_log(tmp_path, server, caplog):
    caplog.set_level(logging.INFO)
    other = Server()
    other.answers["/files/" + FILE] = [(200, {}, DATA)]
    server.list_file(f"{other.address}/files/{FILE}")
    secret = server.address.replace("http://", "http://lab:s3cret%40@")
    get(tmp_path / "a", secret + "/simple")
    expected = "Basic " + base64.b64encode(b"lab:s3cret@").decode()
    assert server.requests[0][1]["Authorization"] == expected
    assert "Authorization" not in other.requests[0][1]
    server.list_file()
    get(tmp_path / "b", secret + "/simple")
    assert server.requests[-1][1]["Authorization"] == expected
    server.answers["/files/" + FILE] = [(302, {"Location": f"{other.address}/files/{FILE}"}, b"")]
    get(tmp_path / "c", secret + "/simple")
    assert "Authorization" not in other.requests[-1][1]
    server.answers.clear()
    with pytest.raises(DataError) as error:
        get(tmp_path / "d", secret + "/simple")
    assert "127.0.0.1" in str(error.value)
    assert "s3cret" not in caplog.text + str(error.value)
    other.server.shutdown()
    other.server.server_close()


def test_passing_faults_are_tried_again(tmp_path, server):
    server.list_file()
    fault, cut = (503, {}, b""), (200, {"Content-Length": str(len(DATA))}, DATA[:1000])
    server.answers["/files/" + FILE] = [fault, cut, (200, {}, DATA)]
    assert get(tmp_path / FILE, server.address + "/simple").read_bytes() == DATA


@pytest.mark.parametrize(("answer", "words", "tries"), [
    ((503, {}, b""), "HTTP 503", 3),
    ((403, {}, b""), "HTTP 403", 1),
    ((200, {"Content-Length": "999999"}, b"short"), "the connection ended after 5 of 999999 bytes", 3),
])  # fmt: skip
def test_lasting_fault_leaves_nothing_behind(tmp_path, server, answer, words, tries):
    server.list_file()
    server.answers["/files/" + FILE] = [answer]
    with pytest.raises(DataError, match=words):
        get(tmp_path / FILE, server.address + "/simple")
    assert [path for path, _ in server.requests].count("/files/" + FILE) == tries
    assert not list(tmp_path.iterdir())


def test_wrong_checksum_keeps_what_was_there(tmp_path, server):
    server.list_file()
    target = tmp_path / FILE
    target.write_bytes(b"earlier")
    with pytest.raises(DataError) as error:
        get(target, server.address + "/simple", sha="0" * 64)
    assert SHA in str(error.value)
    assert "0" * 64 in str(error.value)
    assert FILE in str(error.value)
    assert target.read_bytes() == b"earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_offline_is_one_sentence(tmp_path, server):
    server.server.shutdown()
    server.server.server_close()
    with pytest.raises(DataError) as error:
        get(tmp_path / FILE, server.address + "/simple")
    sentence = str(error.value)
    assert sentence.startswith(
        f"{FILE} of the package Some.Package 1.0 could not be fetched ({server.address}/simple: "
    )
    assert "refused" in sentence
    assert "PIP_FIND_LINKS" in sentence
    assert sentence.endswith("; do without it.")
    assert "\n" not in sentence
    with pytest.raises(DataError, match="pip has no index"):
        get(tmp_path / FILE)


def test_file_that_is_not_listed_and_page_that_is_no_index(tmp_path, server):
    server.list_file()
    with pytest.raises(DataError, match="the index does not list other-2.0.tar.gz"):
        fetch("some-package", "2.0", "other-2.0.tar.gz", SHA, tmp_path / "x", Index((server.address + "/simple",)))
    server.answers["/simple/some-package/"] = [(200, {"Content-Type": "application/json"}, b"<html>login</html>")]
    with pytest.raises(DataError, match="could not be fetched"):
        get(tmp_path / "x", server.address + "/simple")


def test_full_disk_is_not_called_a_fault_of_the_network(tmp_path, server, monkeypatch):
    server.list_file()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pypi, "_download", full)
    with pytest.raises(WriteError, match=rf"{FILE} could not be written because the disk is full"):
        get(tmp_path / FILE, server.address + "/simple")
    assert not list(tmp_path.iterdir())


def test_configuration_is_that_of_pip(tmp_path, monkeypatch):
    for name in PIP_VARIABLES:
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://mirror.lab/simple/\nextra-index-url = https://a.lab/simple\n"
        f"  https://b.lab/simple\nfind-links = {tmp_path}\ncert = /etc/lab.pem\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    found = configured_index()
    assert found.urls == ("https://mirror.lab/simple", "https://a.lab/simple", "https://b.lab/simple")
    assert found.folders == (tmp_path,)
    assert found.cert == "/etc/lab.pem"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.lab/simple")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.lab:8080")
    assert configured_index().urls[0] == "https://other.lab/simple"
    assert configured_index().proxy == "http://proxy.lab:8080"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert configured_index().urls == ()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("INDEX_URL", "NO_INDEX", "PROXY"):
        monkeypatch.delenv(f"PIP_{name}")
    assert configured_index() == Index((PYPI,))


def test_secrets_are_taken_out_of_addresses():
    assert without_secrets("https://lab:word@host:8080/simple/?a=1") == "https://host:8080/simple/?a=1"
    assert without_secrets("https://host/simple") == "https://host/simple"
