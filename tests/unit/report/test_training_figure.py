"""Figures of trainings: curves hold what was recorded, sheets what was made, and what is missing leaves no panel."""

import runpy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.digest import WORKFLOW
from fmri2image.reconstruct import end2end
from fmri2image.report import training

ABOUT = {"dataset": "made-up", "method": "end2end", "subject": "01", "roi": "VC", "simulated": True}
STEPS = np.array([10, 20, 30])


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Return what a method with the losses of `end2end` has learned."""
    generator = torch.Generator().manual_seed(seed)
    losses = torch.rand((3, len(end2end.LOSSES)), generator=generator) + 0.1
    losses[:, list(end2end.LOSSES).index("fake")] = float("nan")
    sheets = torch.randint(0, 256, (2, 4, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return {
        "generator.conv.weight": torch.zeros(2), "losses": losses, "loss_steps": torch.tensor(STEPS), "sheets": sheets,
        "sheet_steps": torch.tensor([0, 30]), "sheet_images": sheets[0],
    }  # fmt: skip


def drawn(table: pd.DataFrame, sheets, monkeypatch) -> plt.Figure:
    kept = []
    monkeypatch.setattr(training, "save", lambda figure, outputs: kept.append(figure))
    training.draw_training(table, sheets, [])
    return kept[0]


def test_curves_hold_every_loss_that_was_computed(monkeypatch):
    learned = {name: value.numpy() for name, value in state().items()}
    table = training.training_table({"train": learned}, list(end2end.LOSSES), ABOUT)
    assert set(table) == set(training.TRAINING_COLUMNS) and len(table) == 3 * len(end2end.LOSSES)
    figure = drawn(table, None, monkeypatch)
    titles = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert "Discriminator, made" not in titles  # nan throughout
    image = titles["Image loss"].lines[0]
    assert list(image.get_xdata()) == list(STEPS)
    assert image.get_ydata() == pytest.approx(learned["losses"][:, list(end2end.LOSSES).index("image")])
    shares = titles["Steps with an update (%)"].lines
    assert [line.get_label() for line in shares] == ["discriminator", "generator"]
    last = learned["losses"][:, list(end2end.LOSSES).index("generator")]
    assert shares[1].get_ydata() == pytest.approx(100 * last)
    assert any("Simulated" in text.get_text() for text in figure.texts)


def test_sheets_show_what_was_seen_and_the_first_and_last_step(monkeypatch):
    table = training.training_table({"train": {k: v.numpy() for k, v in state().items()}}, list(end2end.LOSSES), ABOUT)
    made = np.arange(20 * 2 * 3 * 4 * 4, dtype=np.uint8).reshape(20, 2, 3, 4, 4)
    steps = np.arange(20) * 100
    figure = drawn(table, {"seen": made[5], "made": made, "steps": steps}, monkeypatch)
    words = [text.get_text() for text in figure.texts]
    lines = [word for word in words if word.startswith(("Seen", "Step "))]
    assert lines[0] == "Seen" and lines[1] == "Step 0" and lines[-1] == "Step 1,900"
    assert len(lines) == 1 + training.MOST_SHEETS
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 2 * len(lines)
    assert np.array_equal(shown[0], made[5, 0].transpose(1, 2, 0))
    assert np.array_equal(shown[-1], made[-1, 1].transpose(1, 2, 0))


def test_script_reads_what_was_learned_fold_by_fold(tmp_path):
    main = runpy.run_path(str(WORKFLOW / "scripts" / "plot_training.py"), run_name="plot_training")["main"]
    held, parts = tmp_path / "sub-01_roi-VC_fit-train.pt", tmp_path / "sub-01_roi-VC_fit-figures.pt"
    torch.save({"held-out": state()}, held)
    torch.save({"run=1": state(1), "run=2": state(2)}, parts)
    outputs = {"table": str(tmp_path / "t.tsv"), "figure": str(tmp_path / "t.png"), "svg": str(tmp_path / "t.svg")}
    names = {key: value for key, value in ABOUT.items() if key != "simulated"}
    main([str(held), str(parts)], outputs, names, {"method": "end2end", "simulated": True})
    table = pd.read_csv(outputs["table"], sep="\t", dtype={"subject": str})
    assert list(dict.fromkeys(table["training"])) == ["train", "figures, run=1", "figures, run=2"]
    mine = table[(table["training"] == "figures, run=2") & (table["loss"] == "real")]
    column = list(end2end.LOSSES).index("real")
    assert mine["value"].to_numpy() == pytest.approx(state(2)["losses"][:, column].numpy())
    assert "made-up" in set(table["dataset"]) and (tmp_path / "t.json").is_file() and (tmp_path / "t.svg").is_file()
