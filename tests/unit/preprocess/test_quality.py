"""The page is drawn, and its parts show what they claim."""

import numpy as np
import pandas as pd
import pytest
from head import acquire, slab_affine
from matplotlib.figure import Figure
from PIL import Image

from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.quality import T1W_COLOUR, _mask_outline, write_quality
from fmri2image.preprocess.tables import framewise_displacement

SHAPE = (48, 30, 22)


@pytest.fixture
def page(head):
    """Arguments of a page of six runs in two sessions."""
    rng = np.random.default_rng(0)
    motion = []
    for run in range(6):
        parameters = rng.normal(0, [1] * 3 + [0.01] * 3, 6) + np.cumsum(
            rng.normal(0, [0.03] * 3 + [0.0005] * 3, (120, 6)), axis=0
        )
        table = pd.DataFrame(parameters, columns=list(PARAMETERS))
        table["framewise_displacement"] = framewise_displacement(parameters)
        motion.append((f"perceptionNaturalImageTraining0{1 + run // 3}", f"{run % 3 + 1:02}", table))
    affine = slab_affine(SHAPE)
    mean = acquire(*head, np.eye(4), SHAPE, affine).astype(np.float32)
    index = np.indices(SHAPE)
    rois = {
        name: ((index - np.array(centre).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 20
        for name, centre in {"V1": (24, 8, 11), "V4": (14, 10, 8), "HVC": (34, 14, 7)}.items()
    }
    return {"subject": "01", "motion": motion, "mean_bold": mean, "affine": affine, "t1w": head[0],
            "t1w_affine": head[1], "rois": rois, "simulated": True}  # fmt: skip


def test_the_page_shows_the_t1w_edges(tmp_path, page):
    path = tmp_path / "sub-01_desc-quality.png"
    write_quality(path, **page)
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[0] > 1000
    red = tuple(int(T1W_COLOUR[i : i + 2], 16) for i in (1, 3, 5))
    close = np.abs(pixels - red).max(axis=2) < 25
    lower_half = close[pixels.shape[0] // 2 :]
    assert lower_half.sum() > 500
    assert list(tmp_path.iterdir()) == [path]


def test_outlines_follow_the_voxel_faces():
    axis = Figure().subplots()
    mask = np.zeros((5, 5), dtype=bool)
    mask[2, 1:3] = True
    _mask_outline(axis, mask, "black")
    segments = {tuple(sorted(map(tuple, segment))) for segment in axis.collections[0].get_segments()}
    assert len(segments) == 6
    corners = np.array([point for segment in segments for point in segment])
    assert corners.min(axis=0).tolist() == [1.5, 0.5]
    assert corners.max(axis=0).tolist() == [2.5, 2.5]
