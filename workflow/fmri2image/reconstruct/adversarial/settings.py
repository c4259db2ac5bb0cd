"""Settings of method `end2end`, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from math import ceil

from fmri2image.core.errors import ConfigError
from fmri2image.core.precision import known_precision
from fmri2image.reconstruct.adversarial.architecture import ARCHITECTURES, Architecture
from fmri2image.reconstruct.adversarial.choices import RESCALINGS, check_end2end
from fmri2image.reconstruct.adversarial.switching import Switch
from fmri2image.reconstruct.choices import check_keys


@dataclass(frozen=True)
class End2EndSettings:
    """What `end2end` needs to know; the numbers are those of the paper unless something else is said.

    Parameters
    ----------
    architecture : str
        One of `fmri2image.reconstruct.adversarial.architecture.ARCHITECTURES`.
    comparator : mapping or None
        ``network`` (name and weights) and ``layer`` whose features are compared.
    steps, epochs : int or None
        Iterations, or passes through the training trials; one of them.
    batch : int
    learning_rate : float
    beta : pair of float
        Of Adam.
    halve_at : sequence of int
        Updates after which the learning rate is halved (code).
    discriminator_decay : float
        Weight decay of the discriminator, in the gradient (code).
    image_weight, feature_weight, adversarial_weight : float
    switch : Switch
    padding : int
        Images are resized to `padding` pixels more than the generator makes, and windows are drawn from them.
    n_images : int or None
        Training images that are used, the first of a fixed order; None for all.
    rescale : str or float
        What test voxels are multiplied with: ``sqrt_n``, the square root of the trials averaged, ``none``, or a number
        (code: 4.9).
    precision : str
        See `fmri2image.core.precision`.
    compile : bool
        Whether torch compiles the networks.
    snapshots : int
        Sheets of generated training images that are kept on the way.
    checkpoint_every : int
        Steps between checkpoints.
    seed : int
        Of initial weights, order, windows and dropout.

    Raises
    ------
    ConfigError
        If values do not go together.
    """

    architecture: str
    comparator: Mapping | None
    steps: int | None = None
    epochs: int | None = None
    batch: int = 64
    learning_rate: float = 2e-4
    beta: tuple[float, float] = (0.9, 0.999)
    halve_at: tuple[int, ...] = (300_000, 500_000, 700_000, 900_000, 1_100_000)
    discriminator_decay: float = 4e-4
    image_weight: float = 2e-6
    feature_weight: float = 0.01
    adversarial_weight: float = 100.0
    switch: Switch = field(default_factory=Switch)
    padding: int = 21
    n_images: int | None = None
    rescale: str | float = "sqrt_n"
    precision: str = "float32"
    compile: bool = False
    snapshots: int = 0
    checkpoint_every: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ConfigError(
                f"end2end: architecture '{self.architecture}' is unknown; use one of {', '.join(ARCHITECTURES)}."
            )
        known_precision(self.precision)
        if isinstance(self.rescale, str) and self.rescale not in RESCALINGS:
            raise ConfigError(
                f"end2end: rescale '{self.rescale}' is neither a number nor one of {', '.join(RESCALINGS)}."
            )
        object.__setattr__(self, "beta", tuple(self.beta))
        object.__setattr__(self, "halve_at", tuple(self.halve_at))

    @classmethod
    def read(cls, settings: Mapping) -> "End2EndSettings":
        """Read a method's options as the study hands them on.

        Raises
        ------
        ConfigError
            If a key is unknown or values do not go together.
        """
        check_keys(settings, (one.name for one in fields(cls)), "end2end")
        chosen = {**settings, "switch": Switch(**settings["switch"])} if "switch" in settings else settings
        defaults = {one.name: one.default for one in fields(cls) if one.default is not MISSING}
        check_end2end(defaults | dict(settings), "end2end")
        return cls(**chosen)

    def of_learning(self) -> dict:
        """Return the settings that what is learned depends on, in types that JSON knows."""
        return {key: value for key, value in asdict(self).items() if key not in ("checkpoint_every", "rescale")}

    @property
    def table(self) -> Architecture:
        """Sizes of the networks."""
        return ARCHITECTURES[self.architecture]

    def n_steps(self, n_trials: int) -> int:
        """Return the iterations of a training on so many trials."""
        return self.steps if self.epochs is None else ceil(self.epochs * n_trials / self.batch)

    def snapshot_steps(self, steps: int) -> list[int]:
        """Return the steps after which sheets are kept, evenly spaced; 0 is the start, and one sheet alone is the end."""
        n = self.snapshots
        return [steps] if n == 1 else sorted({round(i * steps / (n - 1)) for i in range(n)})
