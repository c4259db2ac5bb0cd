"""The line search of Moré and Thuente (ACM TOMS 20, 1994) for many problems at once, one state per problem.

L-BFGS-B asks for a sufficient decrease of 1e-3, a curvature condition of 0.9 and an interval of relative width 0.1
(Zhu, Byrd, Lu, Nocedal 1997, algorithm 778). All numbers here are one per problem; they live on the CPU in float64.
"""

import torch

DECREASE = 1e-3  # mu of the paper: part of the first slope that the loss must have fallen by
CURVATURE = 0.9  # eta: part of the first slope that may be left
WIDTH = 0.1  # relative width at which an interval of uncertainty is no longer cut
SHRINK = 0.25  # ours: a point without a finite loss pulls the step back to this part of it
_EXTRAPOLATE = (1.1, 4.0)  # range of the next trial step while no minimum is bracketed
_CUT = 0.66  # an interval has to shrink by this factor over two trials, or it is halved


class LineSearch:
    """Trial steps of every problem along its direction.

    Parameters
    ----------
    n_problems : int
    """

    _NAMES = (
        "step", "limit", "loss0", "slope0", "width", "wider", "low", "high",
        "best", "best_loss", "best_slope", "other", "other_loss", "other_slope",
    )  # fmt: skip

    def __init__(self, n_problems: int) -> None:
        for name in self._NAMES:
            setattr(self, name, torch.zeros(n_problems, dtype=torch.float64))
        self.bracketed = torch.zeros(n_problems, dtype=torch.bool)
        self.second_stage = torch.zeros(n_problems, dtype=torch.bool)
        self.trials = torch.zeros(n_problems, dtype=torch.long)
        self.moved = torch.zeros(n_problems, dtype=torch.bool)  # the trial differs from the one before it

    def begin(
        self, which: torch.Tensor, loss: torch.Tensor, slope: torch.Tensor, step: torch.Tensor, limit: torch.Tensor
    ) -> None:
        """Begin anew for some problems; the first trial is `step`.

        Parameters
        ----------
        which : bool tensor of shape (n_problems,)
        loss, slope : tensors of shape (n_problems,)
            At step 0; the slope is negative.
        step, limit : tensors of shape (n_problems,)
            First trial and longest step allowed.
        """
        zero = torch.zeros_like(step)
        # The other end of the interval starts at step 0, too.
        new = (step, limit, loss, slope, limit, 2 * limit, zero, step + _EXTRAPOLATE[1] * step)
        new += (zero, loss, slope, zero, loss, slope)
        for name, value in zip(self._NAMES, new, strict=True):
            setattr(self, name, torch.where(which, value, getattr(self, name)))
        self.bracketed = self.bracketed & ~which
        self.second_stage = self.second_stage & ~which
        self.trials = torch.where(which, 0, self.trials)
        self.moved = self.moved | which

    def advance(self, which: torch.Tensor, loss: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """Take in the loss and slope at `step`; end the search or choose the next trial step.

        Parameters
        ----------
        which : bool tensor of shape (n_problems,)
            Problems that were evaluated.
        loss, slope : tensors of shape (n_problems,)
            At the trial point.

        Returns
        -------
        ended : bool tensor of shape (n_problems,)
            Problems whose search ends at the present `step`.
        """
        self.trials = self.trials + which
        before = self.step
        finite = torch.isfinite(loss) & torch.isfinite(slope)
        lost = which & ~finite
        which = which & finite
        test_slope = DECREASE * self.slope0
        test_loss = self.loss0 + self.step * test_slope
        fell = loss <= test_loss
        self.second_stage = self.second_stage | (which & fell & (slope >= 0))
        too_narrow = self.bracketed & (
            (self.step <= self.low) | (self.step >= self.high) | (self.high - self.low <= WIDTH * self.high)
        )
        at_limit = (self.step == self.limit) & fell & (slope <= test_slope)
        at_zero = (self.step == 0) & (~fell | (slope >= test_slope))
        ended = which & (too_narrow | at_limit | at_zero | (fell & (slope.abs() <= -CURVATURE * self.slope0)))
        self._next(which & ~ended, loss, slope, test_loss, test_slope)
        # Not a number, or too large for one: nothing to interpolate; come nearer to the best step and stay below.
        nearer = self.best + SHRINK * (self.step - self.best)
        self.limit = torch.where(lost & ~self.bracketed, nearer, self.limit)
        self.step = torch.where(lost, nearer, self.step)
        self.moved = self.step != before
        return ended

    def _next(
        self,
        which: torch.Tensor,
        loss: torch.Tensor,
        slope: torch.Tensor,
        test_loss: torch.Tensor,
        test_slope: torch.Tensor,
    ) -> None:
        # First stage: the auxiliary function psi of the paper, while the loss falls but not enough.
        modified = which & ~self.second_stage & (loss <= self.best_loss) & (loss > test_loss)
        tilt = torch.where(modified, test_slope, 0.0)
        ends = [
            (self.best, self.best_loss - self.best * tilt, self.best_slope - tilt),
            (self.other, self.other_loss - self.other * tilt, self.other_slope - tilt),
            (self.step, loss - self.step * tilt, slope - tilt),
        ]
        (best, best_loss, best_slope), (other, other_loss, other_slope), step, bracketed = trial_step(
            *ends, self.bracketed, self.low, self.high
        )
        best_loss, best_slope = best_loss + best * tilt, best_slope + tilt
        other_loss, other_slope = other_loss + other * tilt, other_slope + tilt
        span = (other - best).abs()
        step = torch.where(bracketed & (span >= _CUT * self.wider), best + 0.5 * (other - best), step)
        wider = torch.where(bracketed, self.width, self.wider)
        width = torch.where(bracketed, span, self.width)
        near, far = (step + factor * (step - best) for factor in _EXTRAPOLATE)
        low = torch.where(bracketed, torch.minimum(best, other), near)
        high = torch.where(bracketed, torch.maximum(best, other), far)
        step = torch.minimum(step.clamp_min(0.0), self.limit)
        spent = bracketed & ((step <= low) | (step >= high) | (high - low <= WIDTH * high))
        step = torch.where(spent, best, step)  # no further progress: go back to the best step
        new = (step, self.limit, self.loss0, self.slope0, width, wider, low, high)
        new += (best, best_loss, best_slope, other, other_loss, other_slope)
        for name, value in zip(self._NAMES, new, strict=True):
            setattr(self, name, torch.where(which, value, getattr(self, name)))
        self.bracketed = torch.where(which, bracketed, self.bracketed)


End = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def trial_step(
    best: End, other: End, trial: End, bracketed: torch.Tensor, low: torch.Tensor, high: torch.Tensor
) -> tuple[End, End, torch.Tensor, torch.Tensor]:
    """Choose the next trial step from cubic and quadratic interpolation (Moré & Thuente 1994, section 4, cases 1-4).

    Parameters
    ----------
    best, other, trial : tuples of three tensors of shape (n_problems,)
        Step, loss and slope at the best end of the interval, at its other end and at the trial point.
    bracketed : bool tensor of shape (n_problems,)
        Whether the interval holds a minimum.
    low, high : tensors of shape (n_problems,)
        Limits of the next step.

    Returns
    -------
    best, other : tuples of three tensors
        The new interval.
    step : tensor of shape (n_problems,)
    bracketed : bool tensor of shape (n_problems,)
    """
    (sx, fx, dx), (sy, fy, dy), (sp, fp, dp) = best, other, trial
    turned = dp * dx.sign() < 0
    higher = fp > fx
    flatter = dp.abs() < dx.abs()
    ahead = sp > sx
    secant = sp + dp / (dp - dx) * (sx - sp)  # minimum of the quadratic with these two slopes

    # Case 1, a higher loss: the cubic's minimum if nearer to the best step, else its mean with the quadratic's.
    cubic = sx + _cubic(sx, fx, dx, sp, fp, dp)[0] * (sp - sx)
    quadratic = sx + dx / ((fx - fp) / (sp - sx) + dx) / 2 * (sp - sx)
    first = torch.where((cubic - sx).abs() < (quadratic - sx).abs(), cubic, cubic + (quadratic - cubic) / 2)
    # Case 2, the slope turned: the candidate farther from the trial.
    back, root = _cubic(sp, fp, dp, sx, fx, dx)
    cubic = sp + back * (sx - sp)
    second = torch.where((cubic - sp).abs() > (secant - sp).abs(), cubic, secant)
    # Case 3, the slope shrank: the cubic counts only if its minimum lies beyond the trial.
    cubic = torch.where((back < 0) & (root != 0), sp + back * (sx - sp), torch.where(ahead, high, low))
    closer = (cubic - sp).abs() < (secant - sp).abs()
    inside = torch.where(closer, cubic, secant)
    guard = sp + _CUT * (sy - sp)
    inside = torch.where(ahead, torch.minimum(guard, inside), torch.maximum(guard, inside))
    outside = torch.where((cubic - sp).abs() > (secant - sp).abs(), cubic, secant)
    third = torch.where(bracketed, inside, torch.minimum(torch.maximum(outside, low), high))
    # Case 4, the slope did not shrink: the cubic through the other end, or as far as allowed.
    cubic = sp + _cubic(sp, fp, dp, sy, fy, dy)[0] * (sy - sp)
    fourth = torch.where(bracketed, cubic, torch.where(ahead, high, low))

    step = torch.where(higher, first, torch.where(turned, second, torch.where(flatter, third, fourth)))
    crossed = ~higher & turned
    new_other = tuple(
        torch.where(higher, p, torch.where(crossed, x, y)) for x, y, p in zip(best, other, trial, strict=True)
    )
    new_best = tuple(torch.where(higher, x, p) for x, p in zip(best, trial, strict=True))
    return new_best, new_other, step, bracketed | higher | turned


def _cubic(
    a: torch.Tensor, fa: torch.Tensor, da: torch.Tensor, b: torch.Tensor, fb: torch.Tensor, db: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    # Where, counted from a (0) to b (1), the cubic with these losses and slopes has its minimum; and the root it takes.
    theta = 3 * (fa - fb) / (b - a) + da + db
    scale = torch.maximum(theta.abs(), torch.maximum(da.abs(), db.abs()))
    root = scale * ((theta / scale) ** 2 - (da / scale) * (db / scale)).clamp_min(0).sqrt()
    root = torch.where(b < a, -root, root)
    return ((root - da) + theta) / (((root - da) + root) + db), root
