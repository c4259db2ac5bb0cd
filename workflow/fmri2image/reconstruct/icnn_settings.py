"""Settings of method `icnn`, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from fmri2image.core.errors import ConfigError
from fmri2image.core.precision import PRECISIONS
from fmri2image.reconstruct.choices import OPTIMISERS, STARTS, check_choices, check_keys, last_iteration
from fmri2image.reconstruct.descent import DescentSettings


@dataclass(frozen=True)
class IcnnSettings:
    """What `icnn` needs to know.

    Parameters
    ----------
    network : mapping
        Name and weights of the network.
    layers : sequence of str
        Layers whose features are matched (paper: all convolutional and fully connected ones).
    iterations : int
        Accepted steps of L-BFGS, or steps of the descent: 200 (paper).
    optimiser : str
        ``lbfgs`` (paper: without generator) or ``descent`` (paper: with it).
    memory : int
        Past steps that L-BFGS keeps: 10 (code: SciPy's default).
    generator : mapping or None
        ``name``, ``weights`` and ``bounds`` of the generator whose latents are optimised; None for pixels.
    start : str or None
        One of `fmri2image.reconstruct.choices.STARTS`; None for the first of them (paper: S6 compares them).
    descent : DescentSettings
    batch : int or "auto"
        Images that are optimised together, see `fmri2image.reconstruct.batches`.
    precision : str
        See `fmri2image.core.precision.computing`.
    snapshots : int
        Images along the way that are kept for films, evenly spaced, from the start to the end.
    seed : int
        Of random starts and shifts.

    Raises
    ------
    ConfigError
        If values do not go together.
    """

    network: Mapping
    layers: tuple[str, ...]
    iterations: int
    optimiser: str = "lbfgs"
    memory: int = 10
    generator: Mapping | None = None
    start: str | None = None
    descent: DescentSettings = field(default_factory=DescentSettings)
    batch: int | str = "auto"
    precision: str = "float32"
    snapshots: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        what = "pixels" if self.generator is None else "latents"
        for key, known in (("optimiser", OPTIMISERS), ("precision", PRECISIONS)):
            if getattr(self, key) not in known:
                raise ConfigError(f"icnn: {key} '{getattr(self, key)}' is unknown; use one of {', '.join(known)}.")
        object.__setattr__(self, "start", self.start or STARTS[what][0])
        object.__setattr__(self, "layers", tuple(self.layers))

    @classmethod
    def read(cls, settings: Mapping) -> "IcnnSettings":
        """Read a method's options as the study hands them on.

        Raises
        ------
        ConfigError
            If a key is unknown.
        """
        check_keys(settings, (one.name for one in fields(cls)), "icnn")
        check_choices(settings, "icnn")
        return cls(**{**settings, "descent": DescentSettings.read(settings.get("descent") or {})})

    @property
    def last(self) -> int:
        """Iteration of the image that is returned."""
        return last_iteration(self.optimiser, self.iterations)

    @property
    def snapshot_iterations(self) -> list[int]:
        """Iterations after which the snapshots are taken; 0 is the start, and one snapshot alone is the end."""
        n = self.snapshots
        return [self.last] if n == 1 else [round(i * self.last / (n - 1)) for i in range(n)]
