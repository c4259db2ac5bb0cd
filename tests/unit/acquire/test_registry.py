"""The registry of downloads."""

import re

import pytest

from fmri2image.acquire.registry import REGISTRY, read_registry, registry_entry
from fmri2image.core.errors import DataError
from fmri2image.features.networks import NETWORKS


def test_every_entry_is_complete():
    entries = read_registry()
    assert {"squeezenet1_1", "efficientnet-lite0"} <= set(entries)
    assert len(entries) == len(REGISTRY.read_text(encoding="utf-8").splitlines()) - 1
    for name, entry in entries.items():
        assert name in NETWORKS
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert re.fullmatch(r"[0-9a-f]{64}", entry.arrays_sha256)
        assert entry.version in entry.file
        assert entry.licence
        assert entry.source.startswith("https://")


def test_unknown_entry_and_damaged_table_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="has no entry 'resnet'; it has squeezenet1_1"):
        registry_entry("resnet")
    path = tmp_path / "registry.tsv"
    with pytest.raises(DataError, match="registry.tsv cannot be read"):
        read_registry(path)
    header, first, *_ = REGISTRY.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{header}\n{first.rsplit(chr(9), 2)[0]}\n", encoding="utf-8")
    with pytest.raises(DataError, match="every row needs the columns name, package"):
        read_registry(path)
    path.write_text(f"{header.replace('sha256', 'md5')}\n{first}\n", encoding="utf-8")
    with pytest.raises(DataError, match="every row needs the columns"):
        read_registry(path)
