"""Published weights to safetensors: read, checked against the network's table, tried on a fixed input, and described."""

import json
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.features.convert.arrays import PublishedArrays, caffe_arrays, torch_arrays
from fmri2image.features.convert.golden import (
    TOLERANCE,
    compare,
    describe,
    golden_outputs,
    golden_rgb,
    read_goldens,
)
from fmri2image.features.convert.plausible import check_plausible
from fmri2image.features.convert.sources import weights_file
from fmri2image.features.convert.tables import Table
from fmri2image.features.convert.tables import table as find_table
from fmri2image.features.networks import NETWORKS, build_network
from fmri2image.features.networks.weights import KEY, arrays_sha256, checked_sha256, sha256

log = logging.getLogger(__name__)

VERSION = 1  # of what is written; a change of it or of this code converts again


def convert_weights(
    source: str | Path,
    weights: str | Path,
    about: str | Path,
    *,
    table: str | Table,
    member: str = "",
    provenance: Mapping | None = None,
) -> dict:
    """Convert published weights to a safetensors file and a JSON file that describes it.

    Parameters
    ----------
    source : path
        ``.caffemodel``, file of ``torch.save``, or archive with one of them.
    weights, about : path
        Files to write; `about` must be `weights` with the suffix ``.json``, where loading looks for it.
    table : str or Table
        Name in `fmri2image.features.convert.tables.TABLES`.
    member : str
        Path or pattern inside the archive.
    provenance : mapping, optional
        What the registry says about the source (name, urls, licence, …); ``arrays_sha256`` is checked.

    Returns
    -------
    description : dict
        What is in `about`.

    Raises
    ------
    DataError
        If the source is damaged, does not hold this network's weights, or gives implausible activations.
    """
    table = find_table(table) if isinstance(table, str) else table
    source, weights, about = Path(source), Path(weights), Path(about)
    if about != weights.with_suffix(".json"):
        raise DataError(
            f"{about} must be called {weights.with_suffix('.json').name}: that is where loading looks for it."
        )
    weights.parent.mkdir(parents=True, exist_ok=True)
    provenance = dict(provenance or {})
    with weights_file(source, member, weights.parent) as (file, form):
        what = str(source) if file == source else f"{source} ({member or 'the weights in it'})"
        arrays = (caffe_arrays if form == "caffe" else torch_arrays)(file, table, what)
        log.info("%s: %s, %d arrays for '%s'", what, arrays.form, len(arrays.shapes), table.name)
        description = _describe(table, arrays, source, member, provenance)
        _check_digest(description["arrays_sha256"], provenance.get("arrays_sha256", ""), what)
        with replacing(weights) as unfinished:
            _save(unfinished, table, arrays, description)
            if table.steps:
                outputs = _outputs(unfinished, table)
                description["against_published_sd"] = check_plausible(table, outputs, what)
                description["golden"] = {"tolerance": TOLERANCE, "layers": outputs}
            description["sha256"] = sha256(unfinished)
            # An older description beside new weights would refuse them: it goes first.
            about.unlink(missing_ok=True)
    with replacing(about) as unfinished:
        unfinished.write_text(json.dumps(description, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if table.steps:
        log.info("%s: largest deviation from the golden outputs %.2g SD", weights.name, verify_golden(weights, table))
    return description


def verify_golden(weights: str | Path, table: Table | None = None) -> float:
    """Compute the golden outputs of converted weights again and compare.

    Networks that the library can build are run as the library runs them, the others from their table. Outputs of another
    program are compared too where they lie beside the weights (``<weights>.golden.json``, see docs/weights.md).

    Parameters
    ----------
    weights : path
    table : Table, optional
        Default: the one that the description names.

    Returns
    -------
    deviation : float
        The largest, in SD of the layer.

    Raises
    ------
    DataError
        If the file is not the one that was converted, or an output deviates.
    """
    weights = Path(weights)
    description = read_description(weights)
    table = table or find_table(description["table"])
    checked_sha256(weights, description["network"])
    foreign = weights.with_suffix(".golden.json")
    if "golden" not in description and not foreign.is_file():
        raise DataError(f"{weights.with_suffix('.json')} holds no golden outputs; the network '{table.name}' has none.")
    if table.network["name"] in NETWORKS:
        network = build_network(table.network, weights)
        with torch.inference_mode():
            found = network.features(golden_rgb(network.domain.size), list(network.layer_shapes))
        outputs = {layer: describe(values[0]) for layer, values in found.items()}
    else:
        outputs = _outputs(weights, table)
    own = description.get("golden", {"layers": {}, "tolerance": TOLERANCE})
    worst = compare(outputs, own["layers"], own["tolerance"], str(weights))
    if foreign.is_file():
        goldens = read_goldens(foreign)
        deviation = compare(outputs, goldens["layers"], goldens["tolerance"], f"{weights} against {goldens['tool']}")
        log.info("%s agrees with %s within %.2g SD", weights.name, goldens["tool"], deviation)
        worst = max(worst, deviation)
    return worst


def read_description(weights: str | Path) -> dict:
    """Return what the JSON file beside converted weights says.

    Raises
    ------
    DataError
        If there is none, or it is none of ours.
    """
    path = Path(weights).with_suffix(".json")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); it describes {weights}: convert them again."
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); convert the weights again.") from error
    if not isinstance(description, dict) or "table" not in description:
        raise DataError(f"{path} does not describe converted weights; convert them again.")
    return description


def _describe(table: Table, arrays: PublishedArrays, source: Path, member: str, provenance: dict) -> dict:
    spoken = {key: value for key, value in provenance.items() if key != "arrays_sha256" and value not in ("", None)}
    description = {
        "converter": VERSION,
        "table": table.name,
        "network": table.network["name"],
        "belongs_to": table.belongs_to,
        "kind": "generator" if table.layer else "network",
        "configuration": dict(table.configuration) | {"layers": [layer.name for layer in table.layers]},
        "shapes": {name: list(shape) for name, shape in arrays.shapes.items()},
        "source": spoken | {"file": source.name, "sha256": sha256(source), "member": member, "form": arrays.form},
        "arrays_sha256": arrays_sha256(arrays),
    }
    return description | ({"layer": table.layer} if table.layer else {})


def _save(path: Path, table: Table, arrays: PublishedArrays, description: Mapping) -> None:
    spoken = ("network", "belongs_to", "kind", "layer", "arrays_sha256", "table", "source", "configuration")
    metadata = {KEY: json.dumps({key: description[key] for key in spoken if key in description}, sort_keys=True)}
    save_file(dict(arrays), path, metadata=metadata)


def _outputs(path: Path, table: Table) -> dict[str, dict]:
    with safe_open(path, framework="pt") as file:
        return golden_outputs(table, partial(_tensor, file))


def _tensor(file: safe_open, name: str) -> torch.Tensor:
    return file.get_tensor(name)


def _check_digest(found: str, expected: str, what: str) -> None:
    if expected and found != expected:
        raise DataError(
            f"{what} holds other weights than the registry names (SHA-256 of the arrays {found[:12]}…, expected "
            f"{expected[:12]}…); fetch it again."
        )
