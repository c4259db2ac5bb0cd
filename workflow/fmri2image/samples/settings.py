"""Settings of the samples, checked before any file is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fmri2image.core.errors import ConfigError
from fmri2image.samples.design import GlmSettings

REGRESS, NORMALISE, DESPIKE = "regress", "normalise", "despike"
ORDER = (REGRESS, NORMALISE, DESPIKE)  # Shen et al. 2019
BLOCKS, GLM = "blocks", "glm"
PERCENT, ZSCORE, NONE = "percent_signal", "zscore", "none"
INITIAL_REST, MODEL, RUN_MEAN = "initial_rest", "model", "run"
KEEP, FLAG, DROP, STOP, SHORTEN = "keep", "flag", "drop", "stop", "shorten"

UNITS = {PERCENT: "per cent signal change", ZSCORE: "standard deviations of the run", NONE: "scanner units"}


@dataclass(frozen=True)
class MotionLimit:
    """What counts as too much motion, and what then happens.

    Parameters
    ----------
    displacement : float
        Millimetres of framewise displacement from the volume before. A volume above it, or one whose motion estimate did
        not converge, is above the limit.
    share : float
        A run is above the limit if more than this share of its volumes is.
    runs : {"keep", "flag", "drop"}
        What happens to such a run: nothing; it is marked in the table of runs and the log; its trials are left out.
    trials : {"keep", "drop"}
        Whether a trial with a volume above the limit among those averaged is left out.
    """

    displacement: float = 0.5
    share: float = 0.25
    runs: str = FLAG
    trials: str = KEEP

    def __post_init__(self) -> None:
        _choice("motion_limit: runs", self.runs, (KEEP, FLAG, DROP))
        _choice("motion_limit: trials", self.trials, (KEEP, DROP))


@dataclass(frozen=True)
class ResponsiveSettings:
    """Settings of an area that is made of the voxels which respond most to stimulation, see `responsive`.

    Parameters
    ----------
    stimulus_set : str
        Whose runs are looked at; a training set.
    name : str
        Of the new area.
    source : str
        Area whose voxels are candidates; ``from`` in the configuration.
    n_voxels : int, optional
        The most voxels.
    threshold : float, optional
        The lowest t.
    high_pass : float, optional
        Drifts of this and longer periods, in seconds, stand beside the response; None leaves the mean and what the samples
        regress out.
    keep_brain : bool
        Whether voxels of the area ``brain`` that belong to no other area become samples too, and the area stays.

    Raises
    ------
    ConfigError
        If neither number nor threshold limits the area, or a value means nothing.
    """

    stimulus_set: str
    name: str = "active"
    source: str = "brain"
    n_voxels: int | None = 1000
    threshold: float | None = None
    high_pass: float | None = 128.0
    keep_brain: bool = False

    def __post_init__(self) -> None:
        if self.n_voxels is None and self.threshold is None:
            raise ConfigError("samples: responsive: give n_voxels, threshold or both.")
        if self.n_voxels is not None and self.n_voxels < 1:
            raise ConfigError(f"samples: responsive: n_voxels is {self.n_voxels}; give at least 1, or null.")
        if self.high_pass is not None and not self.high_pass > 0:
            raise ConfigError(
                f"samples: responsive: high_pass is {self.high_pass}; it is a period in seconds, or null."
            )
        if self.name == self.source:
            raise ConfigError(f"samples: responsive: name and from are both '{self.name}'; choose another name.")

    @classmethod
    def of(cls, chapter: Mapping | None) -> "ResponsiveSettings | None":
        """Return the settings of the configuration's chapter ``samples.responsive``, if there is one."""
        if not chapter:
            return None
        return cls(**{{"from": "source"}.get(key, key): value for key, value in chapter.items()})


@dataclass(frozen=True)
class SampleSettings:
    """Settings of the samples; the defaults are the choices of Shen et al. 2019, PLOS Comput. Biol.

    With ``responses="glm"`` the trend, motion and confounds are not regressed out beforehand: they are columns of the
    design, beside the stimuli (if `order` holds ``regress``). Normalising and despiking come before it, in their order;
    slow drifts have the setting of the design itself, ``glm: high_pass``, and `high_pass` must be None. `shift_seconds` and
    the windows then only say which volumes decide whether a trial is complete and free of motion.

    Parameters
    ----------
    responses : {"blocks", "glm"}
        Means over blocks, or coefficients of a general linear model.
    order : sequence of {"regress", "normalise", "despike"}
        Cleaning steps in the order in which they are taken; a step left out is not taken, whatever its settings say.
    linear_trend, motion_regression : bool
        Whether the trend and the six motion parameters are regressed out.
    confounds : sequence of str
        Further columns of the confounds table that are regressed out: names or patterns (``a_comp_cor_*``).
    high_pass : float, optional
        Drifts of this and longer periods, in seconds, are regressed out, fitted beside the task's response; None leaves
        them, as the paper does.
    normalise : {"percent_signal", "zscore", "none"}
        Per cent change from the level at rest; or mean 0 and standard deviation 1 over all volumes of the run; or not.
    baseline : {"initial_rest", "model", "run"}
        The level of ``percent_signal``: the mean over the initial rest (the paper), the intercept beside the task's
        response, or the mean over the run.
    despike_threshold : float, optional
        Signals are bounded to their mean ± this many standard deviations per run; None leaves them.
    shift_seconds : float
        Haemodynamic delay.
    volume_moment : float
        Moment that a volume stands for, as a share of the repetition time, wherever the task's response is modelled: 0.5,
        the mean of the slices' times, or what slice-timing correction aimed at.
    window : float, optional
        Seconds averaged per block; None takes the event's duration.
    imagery_start : {"imagery", "cue"}
        Event at whose onset, shifted, the average of an imagery trial begins.
    imagery_window : float, optional
        Seconds averaged per imagery trial; None takes the duration of the imagery. The paper averages all 16 s of the
        trial: ``imagery_start="cue"`` and ``imagery_window=16``.
    imagery_stimuli : list of str or str, optional
        Names of the imagined stimuli, see `events.read_events`.
    leave_out : sequence of str
        Stimuli whose trials do not become samples, such as ``fixation`` in the imagery of ds001506, which is no image.
    apart : mapping from stimulus set to sequence of str
        Stimuli that form a set of their own, see `events.set_apart`.
    glm : GlmSettings or mapping
        Settings of the general linear model.
    motion_limit : mapping or MotionLimit, optional
        None judges no motion.
    incomplete_trials : {"stop", "drop", "shorten"}
        What happens if volumes of a trial's window were not scanned or were dropped: an error, the trial is left out, or
        the volumes that there are become its average.

    Raises
    ------
    ConfigError
        If a value is unknown or two contradict each other.
    """

    responses: str = BLOCKS
    order: Sequence[str] = ORDER
    linear_trend: bool = True
    motion_regression: bool = True
    confounds: Sequence[str] = ()
    high_pass: float | None = None
    normalise: str = PERCENT
    baseline: str = INITIAL_REST
    despike_threshold: float | None = 3.0
    shift_seconds: float = 4.0
    volume_moment: float = 0.5
    window: float | None = None
    imagery_start: str = "imagery"
    imagery_window: float | None = None
    imagery_stimuli: list[str] | str | None = None
    leave_out: Sequence[str] = ()
    apart: Mapping[str, Sequence[str]] = field(default_factory=dict)
    glm: GlmSettings | Mapping = field(default_factory=GlmSettings)
    motion_limit: MotionLimit | Mapping | None = field(default_factory=MotionLimit)
    incomplete_trials: str = STOP

    def __post_init__(self) -> None:
        _choice("responses", self.responses, (BLOCKS, GLM))
        for step in self.order:
            _choice("order", step, ORDER)
        if len(set(self.order)) < len(self.order):
            raise ConfigError(f"samples: order names a step twice: {', '.join(self.order)}; name each at most once.")
        _choice("normalise", self.normalise, tuple(UNITS))
        _choice("baseline", self.baseline, (INITIAL_REST, MODEL, RUN_MEAN))
        _choice("incomplete_trials", self.incomplete_trials, (STOP, DROP, SHORTEN))
        if self.responses == GLM and self.high_pass is not None:
            raise ConfigError(
                "samples: high_pass is for responses: blocks; for responses: glm set it to null and use "
                "samples: glm: high_pass, the filter of the design."
            )
        for name, kind in (("motion_limit", MotionLimit), ("glm", GlmSettings)):
            value = getattr(self, name)
            if isinstance(value, Mapping):
                object.__setattr__(self, name, kind(**value))

    @property
    def normalisation(self) -> str:
        """How signals are normalised in the end: not at all where `order` leaves that step out."""
        return self.normalise if NORMALISE in self.order else NONE


def _choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"samples: {name} is '{value}'; it can be {', '.join(known)}.")
