"""Which of discriminator and generator is updated: neither may overfit too much (paper: Image Reconstruction Model).

The rule is that of the code, end2end_training.py, looked at once after every iteration. Of the ratio
r = (loss on real images + loss on generated images) / loss of the generator:

- r < stop_discriminator, while the discriminator runs: it stops, and the generator runs;
- r > resume_discriminator, while the discriminator rests: both run;
- r > stop_generator, while the generator runs: it stops, and the discriminator runs.

A generator that was stopped thus waits until r has fallen below stop_discriminator, although the second line looks as if it
started both. The paper mentions the first line only.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Switch:
    """Bounds of the ratio.

    Parameters
    ----------
    stop_discriminator, resume_discriminator, stop_generator : float
        0.1 (paper), 0.5 and 10 (code).
    """

    stop_discriminator: float = 0.1
    resume_discriminator: float = 0.5
    stop_generator: float = 10.0

    def after(self, ratio: float, discriminator: bool, generator: bool) -> tuple[bool, bool]:
        """Return whether discriminator and generator are updated in the next iteration.

        Parameters
        ----------
        ratio : float
        discriminator, generator : bool
            Whether they were in this one.
        """
        if ratio < self.stop_discriminator and discriminator:
            discriminator, generator = False, True
        if ratio > self.resume_discriminator and not discriminator:
            discriminator, generator = True, True
        if ratio > self.stop_generator and generator:
            discriminator, generator = True, False
        return discriminator, generator
