"""Downloads: checked as a whole, continued where they ended, and one clear sentence where they cannot be had."""

import errno
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from loopback import Fault, Loopback, content, md5

from fmri2image.acquire import disk, http_resume
from fmri2image.acquire.fetch import FetchSettings, Wanted, fetch_file, fetch_files, missing, need_space
from fmri2image.acquire.partial import Partial
from fmri2image.core.errors import DataError, WriteError

NAME = "item/feature maps.zip"
DATA = content(NAME, 200_000)
MD5, SHA256 = md5(DATA), hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    loopback = Loopback()
    loopback.files[NAME] = DATA
    yield loopback
    loopback.close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def patient(waits):
    return FetchSettings(attempts=4, silence=5.0, sleep=waits.append)


def wanted(folder: Path, *urls: str, **about) -> Wanted:
    about = {"size": len(DATA), "md5": MD5, **about}
    return Wanted(folder / "maps.zip", urls, **about)


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def partial_of(folder: Path, data: bytes, **note) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "maps.zip.partial").write_bytes(data)
    (folder / "maps.zip.partial.json").write_text(json.dumps(note), encoding="utf-8")


def test_file_is_fetched_once_and_trusted_afterwards(tmp_path, server, patient):
    want = wanted(tmp_path, server.plain(NAME))
    assert fetch_file(want, settings=patient).read_bytes() == DATA
    assert left_behind(tmp_path) == [".fetched", "maps.zip"]
    assert fetch_file(want, settings=patient) == want.target
    assert fetch_file(want, offline=True) == want.target
    assert len(server.requests) == 1
    assert "Range" not in server.requests[0][1]


def test_finished_file_is_read_only_once(tmp_path, server, patient, monkeypatch):
    want = wanted(tmp_path, server.plain(NAME))
    fetch_file(want, settings=patient)
    from fmri2image.acquire import verified

    monkeypatch.setattr(verified, "digests_of", None)  # reading it again would fail
    fetch_file(want, settings=patient)
    os.utime(want.target)
    with pytest.raises(TypeError):
        fetch_file(want, settings=patient)


def test_file_removed_by_the_workflow_comes_back_without_network(tmp_path, server, patient):
    want = wanted(tmp_path, server.plain(NAME))
    fetch_file(want, settings=patient)
    moment = want.target.stat().st_mtime_ns
    want.target.unlink()
    assert fetch_file(want, offline=True).read_bytes() == DATA
    assert want.target.stat().st_mtime_ns == moment
    want.target.unlink()
    (tmp_path / ".fetched" / "maps.zip").write_bytes(DATA[:-1] + b"?")
    assert fetch_file(want, settings=patient).read_bytes() == DATA
    assert len(server.requests) == 2
    shutil.rmtree(tmp_path / ".fetched")
    fetch_file(want, settings=FetchSettings(keep=False))
    assert left_behind(tmp_path / ".fetched") == ["maps.zip.record"]


def test_file_placed_by_hand_is_checked(tmp_path, server, patient):
    want = wanted(tmp_path, server.plain(NAME))
    want.target.write_bytes(DATA)
    fetch_file(want, settings=patient)
    assert not server.requests
    want.target.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(DataError, match="maps.zip is there with other content and `acquire: offline` forbids"):
        fetch_file(Wanted(want.target, want.urls, md5=MD5, kept=tmp_path / "nowhere"), offline=True)
    assert fetch_file(want, settings=patient).read_bytes() == DATA


def test_download_goes_on_where_it_was_cut(tmp_path, server, patient, waits):
    server.faults[NAME] = [Fault(cut=70_000), Fault(cut=1), Fault(cut=100_000)]
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert [headers.get("Range") for _, headers in server.requests] == [
        None, "bytes=70000-", "bytes=70001-", "bytes=170001-",
    ]  # fmt: skip
    assert {headers["If-Range"] for _, headers in server.requests[1:]} == {f'"{MD5}"'}
    assert server.sent[NAME] == len(DATA)
    assert all(0.5 <= pause <= 1 for pause in waits)  # every attempt brought bytes, so the pause does not grow


def test_partial_of_an_earlier_run_is_continued(tmp_path, server, patient):
    partial_of(tmp_path, DATA[:150_000])
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert server.sent[NAME] == 50_000
    assert left_behind(tmp_path) == [".fetched", "maps.zip"]


def test_complete_partial_needs_no_network(tmp_path):
    partial_of(tmp_path, DATA)
    fetch_file(wanted(tmp_path, "http://127.0.0.1:1/x"))


@pytest.mark.parametrize("start", [
    DATA[:1000] + b"?" + DATA[1001:90_000],
    DATA + b"more",
    b"x" * len(DATA),
    DATA[1:90_000],
], ids=["flipped", "longer", "other", "shifted"])  # fmt: skip
def test_damaged_partial_costs_one_fresh_download(tmp_path, server, patient, start):
    partial_of(tmp_path, start)
    assert fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient).read_bytes() == DATA
    assert server.sent[NAME] <= 2 * len(DATA)


def test_wrong_content_leads_to_the_next_address_and_is_never_accepted(tmp_path, server, patient):
    server.files["other"] = DATA
    server.always[NAME] = Fault(flip=123)
    want = wanted(tmp_path, server.plain(NAME), server.plain("other"))
    assert fetch_file(want, settings=patient).read_bytes() == DATA
    assert server.sent[NAME] == len(DATA)  # fresh, so that once is enough
    want.target.unlink()
    with pytest.raises(DataError) as error:
        fetch_file(wanted(tmp_path / "new", server.plain(NAME)), settings=patient)
    assert f"and not {MD5}, which is expected" in str(error.value)
    assert left_behind(tmp_path / "new") == []


def test_both_checksums_are_compared(tmp_path, server, patient):
    with pytest.raises(DataError, match="its sha256 is"):
        fetch_file(wanted(tmp_path, server.plain(NAME), sha256="0" * 64), settings=patient)
    fetch_file(wanted(tmp_path, server.plain(NAME), sha256=SHA256.upper()), settings=patient)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_absent_file_leads_to_the_next_address_at_once(tmp_path, server, patient, waits, status):
    server.faults["gone"] = [Fault(status=status)]
    fetch_file(wanted(tmp_path, server.plain("gone"), server.plain(NAME)), settings=patient)
    assert len(server.requests) == 2
    assert not waits


def test_storm_is_waited_out_as_the_server_asks(tmp_path, server, patient, waits):
    server.faults[NAME] = [
        Fault(status=503, headers={"Retry-After": "7"}),
        Fault(status=429, headers={"Retry-After": "99999"}),
        Fault(status=500),
    ]
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert waits[:2] == [7.0, patient.longest_wait]
    assert 2 <= waits[2] <= 4


def test_lasting_storm_ends_after_the_attempts(tmp_path, server, patient, waits):
    server.always[NAME] = Fault(status=503)
    partial_of(tmp_path, DATA[:1000])
    with pytest.raises(DataError, match="HTTP 503"):
        fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert len(server.requests) == patient.attempts
    assert (tmp_path / "maps.zip.partial").read_bytes() == DATA[:1000]


def test_other_size_is_found_before_any_byte(tmp_path, server, patient):
    with pytest.raises(DataError, match="has 200000 bytes there and not the expected 200001"):
        fetch_file(wanted(tmp_path, server.plain(NAME), size=len(DATA) + 1), settings=patient)
    assert not (tmp_path / "maps.zip").exists()
    assert not (tmp_path / "maps.zip.partial").exists()


@pytest.mark.parametrize("fault", [Fault(page=True), Fault(headers={"Content-Type": "text/html"})])
@pytest.mark.parametrize("about", [{}, {"md5": "", "size": None}])
def test_page_is_refused(tmp_path, server, patient, fault, about):
    if about or fault.page:
        server.always[NAME] = fault
        with pytest.raises(DataError, match=r"a web page \(a login or an error\)"):
            fetch_file(wanted(tmp_path, server.plain(NAME), **about), settings=patient)
        assert len(server.requests) == 1
    else:  # a right checksum counts more than a wrong Content-Type
        server.always[NAME] = fault
        fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)


def test_page_that_calls_itself_a_file_is_refused(tmp_path, server, patient):
    server.files["maps"] = b"\n <HTML>" + DATA
    with pytest.raises(DataError, match="a web page"):
        fetch_file(wanted(tmp_path, server.plain("maps"), size=None, md5=""), settings=patient)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("body", [
    b"", b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', b'{"message": "Entity not found"}',
])  # fmt: skip
def test_empty_and_error_answers_are_not_taken_for_a_file_of_which_nothing_is_known(tmp_path, server, patient, body):
    server.files["answer"] = body
    with pytest.raises(DataError, match=r"a web page|it is empty"):
        fetch_file(wanted(tmp_path, server.plain("answer"), size=None, md5=""), settings=patient)
    assert left_behind(tmp_path) == []
    sidecar = Wanted(tmp_path / "bold.json", (server.plain("answer"),), len(body), md5(body))
    if not body.startswith(b"<"):
        assert fetch_file(sidecar, settings=patient).read_bytes() == body


@pytest.mark.parametrize("status", [202, 403, 405])
def test_a_firewall_that_wants_a_browser_is_said_and_not_asked_again(tmp_path, server, patient, waits, status):
    server.always[NAME] = Fault(status=status, headers={"x-amzn-waf-action": "captcha"})
    with pytest.raises(
        DataError, match=rf"HTTP {status} .*a check in a browser, where the file can be fetched by hand"
    ):
        fetch_file(wanted(tmp_path, server.figshare(NAME)), settings=patient)
    assert waits == []


def test_a_signed_address_that_has_expired_is_signed_anew(tmp_path, server, patient, waits):
    server.faults[NAME] = [Fault(cut=100_000), Fault(status=403), Fault(status=400)]
    assert fetch_file(wanted(tmp_path, server.figshare(NAME), md5=""), settings=patient).read_bytes() == DATA
    assert len(waits) == 3
    signed = [path for path, _ in server.requests if path.startswith("/signed/")]
    assert len(signed) == len(set(signed)) == 4
    server.always[NAME] = Fault(status=403)
    with pytest.raises(DataError, match="HTTP 403 .* at http://127") as error:
        fetch_file(wanted(tmp_path / "b", server.figshare(NAME)), settings=patient)
    assert "s3cret" not in str(error.value)


# How legitimate files of every kind that is fetched begin.
HEADS = {
    "sub-01_bold.json": b'{"RepetitionTime": 2}',
    "dataset_description.json": b'\n{"Name": "x"}',
    "sub-01_events.tsv": b"onset\tduration\n",
    "sub-01_bold.nii.gz": b"\x1f\x8b\x08\x00",
    "sub-01_T1w.nii": b"\x5c\x01\x00\x00",
    "samples.h5": b"\x89HDF\r\n\x1a\n",
    "std.mat": b"MATLAB 5.0 MAT-file",
    "features.zip": b"PK\x03\x04",
    "torch-2.0-cp311-none-any.whl": b"PK\x03\x04",
    "net.safetensors": (8832).to_bytes(8, "little") + b'{"__metadata__":',
    "net.caffemodel": b"\x0a\x13VGG_ILSVRC_19_layers",
    "net.pth": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "mean.npy": b"\x93NUMPY",
    "surface.gii": b'<?xml version="1.0"?>',
    "README": b"<b>bold</b>",
    "CHANGES": b"1.0.0 {",
    "table.csv": b"{a},b\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_no_file_of_a_kind_that_is_fetched_is_taken_for_a_page(tmp_path, server, patient, name):
    body = HEADS[name] + bytes(200)
    server.files[name] = body
    one = Wanted(tmp_path / name, (server.plain(name),))
    assert fetch_file(one, settings=patient).read_bytes() == body
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / name).write_bytes(body)
    other = Wanted(tmp_path / "b" / name, (str(tmp_path / "mirror" / name),))
    assert fetch_file(other, settings=patient).read_bytes() == body


@pytest.mark.parametrize("size", [None, 0])
def test_an_empty_file_is_taken_where_it_is_expected_to_be_empty(tmp_path, server, patient, size):
    server.files["empty"] = b""
    one = Wanted(tmp_path / "empty", (server.plain("empty"),), size, md5(b""))
    assert fetch_file(one, settings=patient).read_bytes() == b""
    with pytest.raises(DataError, match="could not be fetched"):
        fetch_file(Wanted(tmp_path / "full", (server.plain("empty"),), 10, MD5), settings=patient)
    assert not (tmp_path / "full").exists()


def test_a_compressed_file_may_be_called_encoded(tmp_path, server, patient):
    for name, encoding in (("net.tar.gz", "x-gzip"), ("net.tgz", "gzip")):
        server.files[name] = b"\x1f\x8b" + DATA
        server.always[name] = Fault(headers={"Content-Encoding": encoding})
        one = Wanted(tmp_path / name, (server.plain(name),))
        assert fetch_file(one, settings=patient).read_bytes() == b"\x1f\x8b" + DATA
    server.always[NAME] = Fault(headers={"Content-Encoding": "gzip"})
    with pytest.raises(DataError, match="sends it as gzip though it was asked not to"):
        fetch_file(wanted(tmp_path, server.plain(NAME), md5=""), settings=patient)
    # A known checksum decides: S3 tells the encoding that was noted with a file, and sends its bytes.
    assert fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient).read_bytes() == DATA


def test_server_without_ranges_starts_anew(tmp_path, server, patient):
    server.always[NAME] = Fault(ranges=False)
    server.faults[NAME] = [Fault(cut=100_000, ranges=False)]
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert server.sent[NAME] == 100_000 + len(DATA)


@pytest.mark.parametrize("fault", [
    Fault(lie="bytes 0-199999/200000"),
    Fault(lie="bytes 70000-199999/300000"),
    Fault(lie="nonsense"),
    Fault(shift=5),
], ids=["start", "total", "nonsense", "bytes"])  # fmt: skip
def test_lie_about_the_range_is_never_believed(tmp_path, server, patient, fault):
    server.faults[NAME] = [Fault(cut=70_000), fault]
    assert fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient).read_bytes() == DATA


def test_other_range_than_asked_for_is_seen_without_any_checksum(tmp_path, server, patient):
    server.faults[NAME] = [Fault(cut=70_000), Fault(lie="bytes 0-129999/200000", shift=70_000)]
    assert fetch_file(wanted(tmp_path, server.plain(NAME), md5=""), settings=patient).read_bytes() == DATA
    assert server.sent[NAME] <= 2 * len(DATA) + 200_000


def test_file_that_changed_meanwhile_is_never_joined(tmp_path, server, patient):
    def change(_):
        server.files[NAME] = bytes(reversed(DATA))

    server.faults[NAME] = [Fault(cut=70_000), Fault(any_validator=True)]
    settings = FetchSettings(sleep=change)
    assert (
        fetch_file(wanted(tmp_path, server.plain(NAME), md5=""), settings=settings).read_bytes() == server.files[NAME]
    )


def test_chunks_are_as_good_as_a_length(tmp_path, server, patient):
    server.faults[NAME] = [Fault(chunked=True, cut=70_000), Fault(), Fault(chunked=True), Fault(chunked=True)]
    for number, about in enumerate([{}, {"size": None, "md5": ""}, {}]):
        target = fetch_file(wanted(tmp_path / str(number), server.plain(NAME), **about), settings=patient)
        assert target.read_bytes() == DATA
    assert server.sent[NAME] == 3 * len(DATA)
    server.always[NAME] = Fault(chunked=True)
    with pytest.raises(DataError, match="sends more than the expected 199999 bytes"):
        fetch_file(wanted(tmp_path / "more", server.plain(NAME), size=len(DATA) - 1, md5=""), settings=patient)


def test_proxy_of_the_environment_is_used(tmp_path, server, patient, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", server.address)
    fetch_file(wanted(tmp_path, "http://files.invalid/plain/" + NAME.replace(" ", "%20")), settings=patient)
    assert server.requests[0][0].startswith("http://files.invalid/")


def test_redirect_is_asked_again_and_a_new_validator_restarts_once(tmp_path, patient, monkeypatch, caplog):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    caplog.set_level(logging.INFO)
    server = Loopback(new_etags=True)
    server.files[NAME] = DATA
    server.faults[NAME] = [Fault(cut=50_000), Fault(cut=60_000), Fault(cut=70_000)]
    assert fetch_file(wanted(tmp_path, server.figshare(NAME)), settings=patient).read_bytes() == DATA
    signed = [(path, headers) for path, headers in server.requests if path.startswith("/signed")]
    assert len({path for path, _ in signed}) == 4
    # The first answer to If-Range starts anew; then the checksum vouches for parts of several answers.
    assert [headers.get("Range") for _, headers in signed] == [None, "bytes=50000-", "bytes=60000-", "bytes=130000-"]
    assert "s3cret" not in caplog.text
    # Without a checksum, parts of several answers are never joined.
    server.sent.clear()
    server.faults[NAME] = [Fault(cut=50_000)]
    assert fetch_file(wanted(tmp_path / "b", server.figshare(NAME), md5=""), settings=patient).read_bytes() == DATA
    assert server.sent[NAME] == 50_000 + len(DATA)
    server.close()


@pytest.mark.parametrize("headers", [{}, {"ETag": ""}])
def test_without_checksum_parts_of_two_addresses_are_never_joined(tmp_path, server, patient, headers):
    server.files["b"] = bytes(reversed(DATA))
    server.always["b"] = Fault(headers=headers)
    server.faults[NAME] = [Fault(cut=50_000), *[Fault(status=503)] * 4]
    want = wanted(tmp_path, server.plain(NAME), server.plain("b"), md5="")
    assert fetch_file(want, settings=patient).read_bytes() == bytes(reversed(DATA))


def test_unknown_checksum_is_recorded_and_compared_later(tmp_path, server, patient):
    want = wanted(tmp_path, server.plain(NAME), size=None, md5="")
    fetch_file(want, settings=patient)
    assert (tmp_path / "maps.zip.sha256").read_text(encoding="utf-8") == f"{SHA256}  maps.zip\n"
    fetch_file(want, settings=patient)
    assert len(server.requests) == 1
    want.target.unlink()
    shutil.rmtree(tmp_path / ".fetched")
    server.files[NAME] = DATA + b"new"
    with pytest.raises(DataError, match="an earlier download had"):
        fetch_file(want, settings=patient)
    (tmp_path / "maps.zip.sha256").unlink()
    assert fetch_file(want, settings=patient).read_bytes() == DATA + b"new"


def test_file_of_another_size_is_not_trusted_without_a_checksum(tmp_path, server, patient):
    want = wanted(tmp_path, server.plain(NAME), md5="")
    want.target.write_bytes(DATA[:100])
    assert fetch_file(want, settings=patient).read_bytes() == DATA


def test_length_that_nobody_tells_is_not_trusted(tmp_path, server, patient):
    server.always[NAME] = Fault(length=None)
    with pytest.raises(DataError, match="a cut would go unseen"):
        fetch_file(wanted(tmp_path, server.plain(NAME), size=None, md5=""), settings=patient)
    fetch_file(wanted(tmp_path, server.plain(NAME), size=None), settings=patient)


def test_silence_is_a_fault_and_slowness_is_not(tmp_path, server, waits):
    settings = FetchSettings(silence=0.3, sleep=waits.append)
    server.faults[NAME] = [Fault(stall=1.0, stall_at=80_000)]
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=settings)
    assert len(waits) == 1
    assert server.requests[1][1]["Range"] == "bytes=80000-"
    server.faults[NAME] = [Fault(rate=400_000)]
    fetch_file(wanted(tmp_path / "slow", server.plain(NAME)), settings=settings)
    assert len(waits) == 1


def test_mirror_comes_first(tmp_path, server, patient):
    (tmp_path / "mirror/ds1").mkdir(parents=True)
    (tmp_path / "mirror/ds1/a +#.zip").write_bytes(DATA)
    want = wanted(tmp_path / "out", server.plain(NAME), mirror_path="elsewhere\nds1/a +#.zip")
    for number, mirror in enumerate([str(tmp_path / "mirror"), (tmp_path / "mirror").as_uri()]):
        target = tmp_path / str(number) / "maps.zip"
        fetch_file(Wanted(target, want.urls, len(DATA), MD5, mirror_path=want.mirror_path), mirror=mirror, offline=True)
        assert target.read_bytes() == DATA
    assert not server.requests
    server.files["ds1/a +#.zip"] = DATA
    fetch_file(want, mirror=f"{server.address}/plain", settings=patient)
    assert [path for path, _ in server.requests] == ["/plain/elsewhere", "/plain/ds1/a%20%2B%23.zip"]


def test_damaged_mirror_leads_to_the_internet(tmp_path, server, patient):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/maps.zip").write_bytes(DATA[:-1] + b"?")
    want = wanted(tmp_path / "out", server.plain(NAME), mirror_path="maps.zip")
    assert fetch_file(want, mirror=str(tmp_path / "mirror"), settings=patient).read_bytes() == DATA


def test_offline_names_file_and_place_without_network(tmp_path, server):
    want = wanted(tmp_path, server.plain(NAME), what="features of conv1", mirror_path="files/maps.zip")
    for mirror, place in (
        (None, "put it at files/maps.zip in a folder and name that folder as `acquire: mirror`"),
        (str(tmp_path / "lab"), f"put it at {tmp_path}/lab/files/maps.zip"),
        (f"{server.address}/plain", "put it at files/maps.zip"),
    ):
        with pytest.raises(DataError) as error:
            fetch_file(want, mirror=mirror, offline=True)
        assert str(error.value).startswith("features of conv1 is not there and `acquire: offline` forbids fetching it")
        assert place in str(error.value)
    assert not server.requests


def test_file_without_address_says_where_to_put_it(tmp_path):
    with pytest.raises(DataError, match=r"cannot be fetched from anywhere by itself; put it at files/x in a folder"):
        fetch_file(wanted(tmp_path, mirror_path="files/x"))


def test_password_stays_out_of_log_note_and_message(tmp_path, server, patient, caplog):
    caplog.set_level(logging.INFO)
    secret = server.plain(NAME).replace("http://", "http://lab:s3cret@") + "?token=t0ken"
    server.faults[NAME] = [Fault(cut=1000), *[Fault(status=503)] * 9]
    with pytest.raises(DataError) as error:
        fetch_file(wanted(tmp_path, secret), settings=patient)
    note = (tmp_path / "maps.zip.partial.json").read_text(encoding="utf-8")
    assert "127.0.0.1" in note
    for word in ("s3cret", "t0ken"):
        assert word not in caplog.text + note + str(error.value)
    assert server.requests[0][1]["Authorization"].startswith("Basic ")
    assert server.requests[0][0].endswith("?token=t0ken")


def test_full_disk_is_one_sentence_and_keeps_the_part(tmp_path, server, patient, monkeypatch):
    real, room = Partial.write, 60_000

    class Full:
        """A file on a disk with little room."""

        def __init__(self, file):
            self.file = file

        def write(self, block):
            left = room - self.file.tell()
            if left <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(block[:left])

        def __getattr__(self, name):
            return getattr(self.file, name)

    def write(partial, block):
        if partial._file is None:
            real(partial, b"")
            partial.path.parent.mkdir(exist_ok=True)
            partial._file = Full(partial.path.open("r+b" if partial.length else "wb", buffering=0))
        real(partial, block)

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "write", write)
        with pytest.raises(WriteError) as error:
            fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert str(error.value).startswith(f"{tmp_path}/maps.zip could not be written because the disk is full; make room")
    assert (tmp_path / "maps.zip.partial").read_bytes() == DATA[:room]
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    assert server.requests[-1][1]["Range"] == f"bytes={room}-"


def test_room_is_checked_before_any_byte(tmp_path, server, patient, monkeypatch):
    partial_of(tmp_path, DATA[:150_000])
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    need_space(tmp_path / "not" / "there", 50_000)
    with pytest.raises(WriteError, match=r"has 50.00 kB of free disk space and 50.00 kB are still"):
        need_space(tmp_path, 50_001)
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)  # what is there already needs no room
    with pytest.raises(WriteError, match=r"200.00 kB are still to be downloaded"):
        fetch_file(wanted(tmp_path / "b", server.plain(NAME)), settings=patient)
    with pytest.raises(WriteError, match=r"200.00 kB are still to be downloaded"):
        fetch_files([wanted(tmp_path / "c", server.plain(NAME))], settings=patient)


def test_second_of_two_waits_and_finds_the_file(tmp_path, server, patient, caplog):
    caplog.set_level(logging.INFO)
    server.faults[NAME] = [Fault(rate=400_000)]
    want = wanted(tmp_path, server.plain(NAME))
    threads = [threading.Thread(target=fetch_file, args=(want,), kwargs={"settings": patient}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert want.target.read_bytes() == DATA
    assert len(server.requests) == 1
    assert caplog.text.count("another run is fetching maps.zip; waiting for it") == 2
    assert left_behind(tmp_path) == [".fetched", "maps.zip"]


def test_many_files_go_on_after_a_failure(tmp_path, server, patient):
    names = [f"f{number}" for number in range(8)]
    for name in names:
        server.files[name] = content(name, 5000)
    wants = [Wanted(tmp_path / name, (server.plain(name),), 5000, md5(content(name, 5000))) for name in names]
    del server.files["f1"]
    server.always["f6"] = Fault(flip=3)
    assert len(missing(wants)) == 8
    with pytest.raises(DataError) as error:
        fetch_files(wants, parallel=3, settings=patient)
    assert str(error.value).startswith("2 of 8 files could not be fetched: f1 could not be fetched (")
    assert "HTTP 404" in str(error.value)
    assert [want.target.name for want in missing(wants)] == ["f1", "f6"]
    server.always.clear()
    server.files["f1"] = content("f1", 5000)
    assert fetch_files(wants, settings=patient) == [want.target for want in wants]
    assert sum(server.sent[name] for name in names) == 9 * 5000  # only the damaged one came twice
    assert fetch_files([]) == []


def test_many_files_come_at_the_same_time_but_not_too_many(tmp_path, server, patient, monkeypatch):
    running, most, lock = 0, 0, threading.Lock()
    real = http_resume.open_url

    def counted(*arguments):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return real(*arguments)

    monkeypatch.setattr(http_resume, "open_url", counted)
    wants = [Wanted(tmp_path / f"{n}", (server.plain(NAME),), len(DATA), MD5) for n in range(9)]
    fetch_files(wants, parallel=3, settings=patient)
    assert most == 3


def test_progress_of_large_files_is_told(tmp_path, server, patient, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(http_resume, "LARGE", 100_000)
    monkeypatch.setattr(http_resume, "TELL", 0.05)
    server.faults[NAME] = [Fault(rate=500_000)]
    fetch_file(wanted(tmp_path, server.plain(NAME)), settings=patient)
    lines = [line for line in caplog.messages if "s to go" in line]
    assert 2 <= len(lines) <= 10
    assert "% of 200.00 kB" in lines[0]


@pytest.mark.parametrize("url", ["s3://openneuro.org/x", "http://", "ftp//x"])
def test_address_that_cannot_be_asked_is_not_retried(tmp_path, waits, patient, url):
    with pytest.raises(DataError, match="maps.zip could not be fetched"):
        fetch_file(wanted(tmp_path, url), settings=patient)
    assert not waits


def test_empty_file(tmp_path, server, patient):
    server.files["empty"] = b""
    want = Wanted(tmp_path / "e", (server.plain("empty"),), 0, md5(b""))
    assert fetch_file(want, settings=patient).read_bytes() == b""
