"""The losses of method `end2end`, counted as Caffe does.

Caffe's EuclideanLoss is the sum of squares over pixels or units, halved, and averaged over the batch; its
SoftmaxWithLoss is the mean over the batch (Shen, Dwivedi et al. 2019, eq. of L; code: net_templates).
"""

import torch
from torch.nn import functional


def euclidean(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the sum of squared differences divided by twice the batch.

    Parameters
    ----------
    found, wanted : tensors of shape (n, ...)
    """
    return (found.float() - wanted.float()).square().sum() / (2 * len(found))


def cross_entropy(logits: torch.Tensor, label: int) -> torch.Tensor:
    """Return the mean cross entropy of logits (n, n_classes) against one label, nats."""
    labels = torch.full((len(logits),), label, device=logits.device)
    return functional.cross_entropy(logits.float(), labels)
