"""Downloads under faults: what a server on this machine served beside what was needed, and what was accepted.

``python tests/benchmarks/download_faults.py [--seeds 20] [--only WORD]`` plays OpenNeuro's bucket and figshare with the names
of the real manifests and synthetic content, does to them what servers, disks and people do, and prints the table of
docs/reliability.md. No real server is contacted.
"""

import argparse
import json
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

from loopback import Fault, Loopback, content, md5  # noqa: E402

from fmri2image.acquire import disk  # noqa: E402
from fmri2image.acquire.fetch import FetchSettings, Wanted, fetch_files, missing  # noqa: E402
from fmri2image.acquire.manifests import MANIFESTS, RemoteFile, describe, read_manifest  # noqa: E402
from fmri2image.acquire.openneuro import wanted_files  # noqa: E402
from fmri2image.core.errors import DataError, Fmri2imageError, WriteError  # noqa: E402

DATASETS = ("ds000255", "ds001246", "ds001506", "ds001761")
# What a job of the workflow does, without Snakemake: arguments are the settings as JSON.
CLIENT = """
import importlib.util, json, logging, sys
sys.path.insert(0, sys.argv[1] + "/workflow")
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
spec = importlib.util.spec_from_file_location("fetch_bids", sys.argv[1] + "/workflow/scripts/fetch_bids.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
settings = json.loads(sys.argv[2])
from fmri2image.core.errors import Fmri2imageError
print("started", flush=True)
try:
    script.main([f"{settings['root']}/{path}" for path in settings["files"]], settings)
except Fmri2imageError as error:
    sys.exit(str(error))
"""


@dataclass
class Row:
    """One line of the table; `damaged` counts finished files whose bytes are wrong, looked at after every run."""

    fault: str
    seeds: int = 0
    files: int = 0
    faults: int = 0
    needed: int = 0
    served: int = 0
    damaged: int = 0
    unfinished: int = 0
    seconds: float = 0.0

    def text(self) -> str:
        """Return the line as Markdown."""
        numbers = (self.seeds, self.files, self.faults, self.needed, self.served)
        cells = [f"{number:,}" for number in numbers]
        ratio = f"{self.served / self.needed:.3f}" if self.needed else "–"
        return f"| {self.fault} | {' | '.join(cells)} | {ratio} | {self.damaged} | {self.unfinished} | {self.seconds:.1f} |"


HEAD = (
    "| fault | seeds | files | faults | bytes needed | bytes served | ratio | damaged accepted | unfinished | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


class Scene:
    """A server with files of one dataset and an empty folder for them."""

    def __init__(self, folder: Path, seed: int, n_files: int | None = None, size: int = 40_000, **server: bool) -> None:
        self.random = random.Random(seed)
        self.server = Loopback(**server)
        self.dataset = DATASETS[seed % len(DATASETS)]
        names = [row.path for row in read_manifest(MANIFESTS / f"{self.dataset}.tsv")]
        if n_files is not None:
            names = self.random.sample(names, min(n_files, len(names)))
        self.truth = {}
        for name in names:
            n_bytes = size // 2 + zlib.crc32(f"{seed} {name}".encode()) % size
            self.truth[name] = content(name, n_bytes, seed)
        self.server.files = {f"{self.dataset}/{name}": data for name, data in self.truth.items()}
        self.rows = [describe(self.dataset, name, len(data), md5(data)) for name, data in self.truth.items()]
        self.root = folder / self.dataset / "bids"
        self.n_faults = self.damaged = 0
        self.settings = FetchSettings(attempts=6, pause=0.005, longest_pause=0.02, longest_wait=0.02, silence=2.0)

    @property
    def needed(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.truth.values()))

    def wants(self, rows: list[RemoteFile] | None = None) -> list[Wanted]:
        """Return what to fetch from the bucket."""
        return wanted_files(rows or self.rows, self.root, self.dataset, self.server.bucket)

    def figshare_wants(self) -> list[Wanted]:
        """Return the same files behind redirects."""
        return [
            Wanted(want.target, (self.server.figshare(f"{self.dataset}/{row.path}"),), want.size, want.md5)
            for want, row in zip(self.wants(), self.rows, strict=True)
        ]

    def fault(self, name: str, *faults: Fault) -> None:
        """Let the next answers for a file be faulty."""
        self.server.faults[f"{self.dataset}/{name}"].extend(faults)
        self.n_faults += len(faults)

    def fetch(self, wants: list[Wanted] | None = None, **options: object) -> Fmri2imageError | None:
        """Fetch everything, look at what is finished, and return the error if there was one."""
        error = None
        try:
            fetch_files(wants or self.wants(), settings=self.settings, **options)
        except (DataError, WriteError) as caught:
            error = caught
        self.audit()
        return error

    def audit(self) -> None:
        """Compare every finished file with the truth."""
        for name, data in self.truth.items():
            target = self.root / name
            self.damaged += target.is_file() and target.read_bytes() != data

    def client(self, **popen: object) -> subprocess.Popen:
        """Start a process that does what the rule's script does."""
        settings = {
            "dataset": self.dataset, "url": self.server.bucket, "mirror": None, "offline": False, "root": str(self.root),
            "files": {row.path: [row.size, row.md5] for row in self.rows},
        }  # fmt: skip
        command = [sys.executable, "-c", CLIENT, str(ROOT), json.dumps(settings)]
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **popen
        )

    def close(self, row: Row) -> None:
        """Add this scene's numbers to a line of the table."""
        self.audit()
        self.server.close()
        row.seeds += 1
        row.files += len(self.truth)
        row.faults += self.n_faults
        row.needed += self.needed
        row.served += sum(self.server.sent.values())
        row.damaged += self.damaged
        row.unfinished += len(missing(self.wants()))


def nothing(scene: Scene) -> None:
    """No fault, and everything asked for twice."""
    assert scene.fetch() is None
    assert scene.fetch() is None


def cuts(scene: Scene) -> None:
    """The server closes connections after random bytes."""
    for name, data in scene.truth.items():
        scene.fault(name, *(Fault(cut=scene.random.randrange(len(data))) for _ in range(scene.random.randint(1, 4))))
    while scene.fetch():
        pass


def figshare(scene: Scene) -> None:
    """Redirects to signed addresses whose ETag changes each time, and cuts."""
    for name, data in scene.truth.items():
        scene.fault(name, Fault(cut=scene.random.randrange(len(data))), Fault(cut=scene.random.randrange(len(data))))
    while scene.fetch(scene.figshare_wants()):
        pass


def killed(scene: Scene) -> None:
    """SIGKILL, SIGTERM or SIGINT at random moments, again and again, until a run gets through."""
    for name in scene.truth:
        scene.server.always[f"{scene.dataset}/{name}"] = Fault(rate=1e6)
    for _ in range(40):
        client = scene.client()
        client.stdout.readline()
        if scene.n_faults < 6:
            with suppress(subprocess.TimeoutExpired):
                client.wait(scene.random.uniform(0.02, 0.35))
        if client.poll() is None and scene.n_faults < 6:
            client.send_signal(scene.random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            scene.n_faults += 1
        _, errors = client.communicate()
        scene.audit()
        if client.returncode == 0:
            return
        assert client.returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 1), errors
    raise AssertionError("no run got through")


def flipped(scene: Scene) -> None:
    """A bit is wrong in every first answer; the run fails, and the next one gets right bytes."""
    for name, data in scene.truth.items():
        scene.fault(name, Fault(flip=scene.random.randrange(len(data))))
    error = scene.fetch()
    assert isinstance(error, DataError)
    assert len(missing(scene.wants())) == len(scene.truth)
    assert scene.fetch() is None


def resumed_flipped(scene: Scene) -> None:
    """A bit is wrong before a cut, so that the checksum of the joined parts fails; one fresh try in the same run."""
    for name, data in scene.truth.items():
        scene.fault(name, Fault(flip=0, cut=scene.random.randrange(1, len(data))))
    assert scene.fetch() is None


def partials(scene: Scene) -> None:
    """Partial files on the disk that are truncated, have a wrong bit, or are longer than the file."""
    for number, (name, data) in enumerate(scene.truth.items()):
        part = bytearray(data[: scene.random.randrange(1, len(data))])
        if number % 3 == 1:
            part[scene.random.randrange(len(part))] ^= 1
        if number % 3 == 2:
            part = bytearray(data) + b"more"
        path = scene.root / f"{name}.partial"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)
        scene.n_faults += 1
    assert scene.fetch() is None


def absent(scene: Scene) -> None:
    """404 at the mirror and at the first address, then the fallback."""
    gone = f"{scene.server.address}/plain/gone"
    wants = [
        Wanted(want.target, (f"{gone}/1", *want.urls), want.size, want.md5, mirror_path="x") for want in scene.wants()
    ]
    scene.n_faults = 2 * len(wants)
    assert scene.fetch(wants, mirror=gone) is None


def storm(scene: Scene) -> None:
    """503 with Retry-After, 429 and 500 for every file, more often than one run is patient for some of them."""
    for name in scene.truth:
        for _ in range(scene.random.randint(2, 9)):
            scene.fault(name, Fault(status=scene.random.choice([503, 503, 429, 500]), headers={"Retry-After": "1"}))
    while scene.fetch():
        pass


def stalls(scene: Scene) -> None:
    """The server falls silent in the middle for longer than we wait."""
    scene.settings = FetchSettings(pause=0.005, silence=0.2)
    for name, data in scene.truth.items():
        scene.fault(name, Fault(stall=0.6, stall_at=scene.random.randrange(len(data))))
    assert scene.fetch() is None


def slow(scene: Scene) -> None:
    """100 kB per second and connection."""
    for name in scene.truth:
        scene.fault(name, Fault(rate=1e5))
    assert scene.fetch() is None


def pages(scene: Scene) -> None:
    """A login page with status 200 at the mirror and in the bucket."""
    for name in scene.truth:
        scene.fault(name, Fault(page=True), Fault(page=True))
    for _ in range(2):
        assert isinstance(scene.fetch(), DataError)
        assert len(missing(scene.wants())) == len(scene.truth)
    assert scene.fetch() is None


def no_ranges(scene: Scene) -> None:
    """The server knows no ranges, and cuts once per file."""
    for name, data in scene.truth.items():
        scene.server.always[f"{scene.dataset}/{name}"] = Fault(ranges=False)
        scene.fault(name, Fault(ranges=False, cut=scene.random.randrange(len(data))))
    assert scene.fetch() is None


def lies(scene: Scene) -> None:
    """After a cut the server answers with another range than asked for, or says so of the right one."""
    for number, (name, data) in enumerate(scene.truth.items()):
        lie = [Fault(lie=f"bytes 0-{len(data) - 1}/{len(data)}"), Fault(shift=3), Fault(lie="bytes 1-2/3")][number % 3]
        scene.fault(name, Fault(cut=scene.random.randrange(10, len(data))), lie)
    assert scene.fetch() is None


def together(scene: Scene) -> None:
    """Three processes fetch the same files at the same time."""
    for name in scene.truth:
        scene.server.always[f"{scene.dataset}/{name}"] = Fault(rate=1e6)
    clients = [scene.client() for _ in range(3)]
    scene.n_faults = 2
    for client in clients:
        _, errors = client.communicate()
        assert client.returncode == 0, errors
    scene.audit()


def no_room(scene: Scene) -> None:
    """The disk has less room than the files need; nothing is asked of the server."""
    scene.root.mkdir(parents=True)
    usage = shutil.disk_usage(scene.root)
    disk.shutil = SimpleNamespace(disk_usage=lambda _: usage._replace(free=scene.needed - 1))
    try:
        error = scene.fetch()
    finally:
        disk.shutil = shutil
    scene.n_faults += 1
    assert isinstance(error, WriteError)
    assert not scene.server.requests
    assert scene.fetch() is None


def full(scene: Scene) -> None:
    """The disk fills up in the middle, or a limit on the size of files is hit where no small disk can be mounted."""
    scene.root.mkdir(parents=True)
    for name in scene.truth:
        scene.server.always[f"{scene.dataset}/{name}"] = Fault(rate=4e5)
    with small_disk(scene.root) as mounted:
        client = scene.client(preexec_fn=None if mounted else limit_files)
        while mounted and len(scene.server.sent) < len(scene.truth) and client.poll() is None:
            time.sleep(0.01)  # until every file has begun: before that, the check of free space would end the run
        ballast = scene.root / "ballast"
        if mounted:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(10_000)):
                    pass
        _, errors = client.communicate()
        assert client.returncode == 1, errors
        assert ("disk is full" if mounted else "larger than a file") in errors, errors
        scene.n_faults += 1
        scene.audit()
        ballast.unlink(missing_ok=True)
        scene.server.always.clear()
        assert scene.fetch() is None
        scene.audit()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk of 1 MB on a folder, or say that it is not permitted; what is on it stays afterwards."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
        if mounted:
            with tempfile.TemporaryDirectory() as other:
                subprocess.run(["cp", "-a", f"{folder}/.", other], check=True)
                subprocess.run(["umount", str(folder)], check=True)
                subprocess.run(["cp", "-a", f"{other}/.", str(folder)], check=True)
    finally:
        if os.path.ismount(folder):
            subprocess.run(["umount", "-l", str(folder)], check=False)


def limit_files() -> None:
    """Let this process write no file above 30 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))


def removed(scene: Scene) -> None:
    """A workflow removes finished outputs before it runs the job again; no byte may be fetched anew."""
    assert scene.fetch() is None
    for name in scene.truth:
        (scene.root / name).unlink()
        scene.n_faults += 1
    scene.server.always = {f"{scene.dataset}/{name}": Fault(status=404) for name in scene.truth}
    assert scene.fetch() is None


def offline(scene: Scene) -> None:
    """No network allowed: half of the files are there, the error names the others, and no request is made."""
    half = scene.rows[: len(scene.rows) // 2]
    assert scene.fetch(scene.wants(half)) is None
    n_requests = len(scene.server.requests)
    error = scene.fetch(offline=True)
    scene.n_faults += len(scene.rows) - len(half)
    assert scene.rows[len(half)].path in str(error)
    assert len(scene.server.requests) == n_requests
    assert scene.fetch() is None


# Words of the table, what is done, arguments of the scene, and whether one seed is enough.
SCENES: dict[str, tuple[Callable[[Scene], None], dict, bool]] = {
    "none; everything asked for twice": (nothing, {"size": 4000}, True),
    "server cuts at random bytes": (cuts, {"n_files": 12}, False),
    "client killed at random moments": (killed, {"n_files": 6, "size": 400_000}, False),
    "figshare: redirects, new ETag each time, cuts": (figshare, {"n_files": 6, "new_etags": True}, False),
    "wrong bit in a whole answer": (flipped, {"n_files": 6}, False),
    "wrong bit in an answer that is cut": (resumed_flipped, {"n_files": 6}, False),
    "damaged partial files": (partials, {"n_files": 6}, False),
    "404 at mirror and first address": (absent, {"n_files": 6}, False),
    "storm of 503, 429 and 500": (storm, {"n_files": 6}, False),
    "silence": (stalls, {"n_files": 4}, False),
    "slow server": (slow, {"n_files": 4}, False),
    "login page with status 200": (pages, {"n_files": 6}, False),
    "no ranges, and cuts": (no_ranges, {"n_files": 6}, False),
    "lies about ranges": (lies, {"n_files": 6}, False),
    "three processes at once": (together, {"n_files": 6}, False),
    "less room than needed": (no_room, {"n_files": 6}, False),
    "disk fills up": (full, {"n_files": 4, "size": 160_000}, False),
    "outputs removed by the workflow": (removed, {"n_files": 6}, False),
    "offline": (offline, {"n_files": 6}, False),
}


def run(fault: str, seeds: int) -> Row:
    """Play one fault and return its line of the table."""
    act, arguments, _ = SCENES[fault]
    row, begin = Row(fault), time.monotonic()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            scene = Scene(Path(folder), seed, **arguments)
            try:
                act(scene)
            finally:
                scene.close(row)
    row.seconds = time.monotonic() - begin
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="", help="faults whose words hold this")
    arguments = parser.parse_args()
    os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    logging.getLogger("fmri2image").setLevel(logging.ERROR)
    print(HEAD)
    rows = []
    for fault, (_, _, few) in SCENES.items():
        if arguments.only in fault:
            rows.append(run(fault, min(len(DATASETS), arguments.seeds) if few else arguments.seeds))
            print(rows[-1].text(), flush=True)
    names = ("seeds", "files", "faults", "needed", "served", "damaged", "unfinished", "seconds")
    print(Row("all", **{name: sum(getattr(row, name) for row in rows) for name in names}).text())


if __name__ == "__main__":
    main()
