"""The compact limited-memory matrix B of L-BFGS-B, one per problem (Byrd, Lu, Nocedal & Zhu 1995, section 3).

B = theta I - W' A^-1 W with the rows W = [Y; theta S] of the last gradient changes y and steps s, and
A = [[-D, L'], [L, theta S S']], where D is the diagonal and L the strictly lower triangle of S Y'. The long rows stay on
the device; the small matrices are kept in float64 on the CPU.
"""

import torch


class Memory:
    """Steps and gradient changes of every problem, kept in rings of `size` slots.

    The order of the slots does not matter to B as long as L goes by age, so nothing is ever shifted.

    Parameters
    ----------
    like : tensor of shape (n_problems, n_variables)
        Gives shape, type and device.
    size : int
        Pairs kept per problem.
    """

    def __init__(self, like: torch.Tensor, size: int) -> None:
        n_problems, n_variables = like.shape
        self.size = size
        self.rows = torch.zeros((n_problems, 2 * size, n_variables), dtype=like.dtype, device=like.device)  # Y, then S
        self.count = torch.zeros(n_problems, dtype=torch.long)  # pairs taken in since the last `clear`
        self.theta = torch.ones(n_problems, dtype=torch.float64)
        self.curvature = torch.ones((n_problems, size), dtype=torch.float64)  # D; 1 in empty slots
        self.lower = torch.zeros((n_problems, size, size), dtype=torch.float64)  # L
        self.products = torch.zeros((n_problems, 2 * size, 2 * size), dtype=torch.float64)  # [Y; S] [Y; S]'
        self.signs = torch.cat([-torch.ones(size), torch.ones(size)]).double()
        # Q with A^-1 = Q' diag(signs) Q in terms of [Y; S], so that B v = theta v - W' Q' diag(signs) Q W v.
        self.transform = torch.zeros((n_problems, 2 * size, 2 * size), dtype=torch.float64)

    @property
    def used(self) -> torch.Tensor:
        """Slots that hold a pair, bool (n_problems, size)."""
        return torch.arange(self.size) < self.count[:, None]

    @property
    def steps(self) -> torch.Tensor:
        """S S', float64 (n_problems, size, size)."""
        return self.products[:, self.size :, self.size :]

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Multiply the rows [Y; S] with one vector per problem, on the device.

        Parameters
        ----------
        vectors : tensor of shape (n_problems, n_variables)

        Returns
        -------
        products : float64 tensor of shape (n_problems, 2 * size)
        """
        return torch.bmm(vectors[:, None], self.rows.mT)[:, 0].double()

    def combine(self, weights: torch.Tensor) -> torch.Tensor:
        """Add up the rows [Y; S] with weights.

        Parameters
        ----------
        weights : tensor of shape (n_problems, 2 * size)

        Returns
        -------
        vectors : tensor of shape (n_problems, n_variables)
        """
        weights = weights.to(self.rows.device, self.rows.dtype)
        return torch.bmm(weights[:, None], self.rows)[:, 0]

    def clear(self, which: torch.Tensor) -> None:
        """Forget everything about some problems: B is the identity again.

        Parameters
        ----------
        which : bool tensor of shape (n_problems,)
        """
        if not which.any():
            return
        self.count[which] = 0
        self.theta[which] = 1
        self.curvature[which] = 1
        for matrix in (self.lower, self.products, self.transform):
            matrix[which] = 0
        self.rows[which.to(self.rows.device)] = 0

    def add(
        self,
        which: torch.Tensor,
        step: torch.Tensor,
        change: torch.Tensor,
        curvature: torch.Tensor,
        squares: torch.Tensor,
    ) -> None:
        """Take in a step and the change of the gradient along it, instead of the oldest pair if the memory is full.

        Parameters
        ----------
        which : bool tensor of shape (n_problems,)
        step, change : tensors of shape (n_problems, n_variables)
        curvature : tensor of shape (n_problems,)
            Product of step and change, greater than 0.
        squares : tensor of shape (n_problems,)
            Squared norm of the change.
        """
        problems = which.nonzero()[:, 0]
        slots = self.count[problems] % self.size
        on_device, there = problems.to(self.rows.device), slots.to(self.rows.device)
        self.rows[on_device, there] = change[on_device]
        self.rows[on_device, there + self.size] = step[on_device]
        with_step, with_change = self.times(step).cpu()[problems], self.times(change).cpu()[problems]
        self.count[problems] += 1
        self.theta[problems] = (squares / curvature)[problems]
        self.curvature[problems, slots] = curvature[problems]
        self.lower[problems, slots] = with_step[:, : self.size]  # the newest step with all changes before it
        self.lower[problems, :, slots] = 0
        for place, products in ((slots, with_change), (slots + self.size, with_step)):
            self.products[problems, place] = products
            self.products[problems, :, place] = products
        self.clear(self._factor(which))

    def _factor(self, which: torch.Tensor) -> torch.Tensor:
        # A = P diag(signs) P' with P = [[D^1/2, 0], [-L D^-1/2, J]] and J J' = theta S S' + L D^-1 L'.
        size, empty = self.size, (~self.used).double()
        root = self.curvature.sqrt()
        scaled = self.lower / root[:, None, :]
        inner = self.theta[:, None, None] * self.steps + scaled @ scaled.mT + torch.diag_embed(empty)
        factor, failed = torch.linalg.cholesky_ex(inner)
        whole = torch.zeros_like(self.transform)
        whole[:, :size, :size] = torch.diag_embed(root)
        whole[:, size:, :size] = -scaled
        whole[:, size:, size:] = factor
        right = torch.eye(2 * size, dtype=torch.float64).repeat(len(root), 1, 1)
        right[:, size:, size:] *= self.theta[:, None, None]
        transform = torch.linalg.solve_triangular(whole, right, upper=False)
        wrong = (failed != 0) | ~torch.isfinite(transform).all(2).all(1)
        occupied = torch.cat([self.used, self.used], 1).double()
        transform = transform * occupied[:, :, None] * occupied[:, None, :]
        self.transform = torch.where((which & ~wrong)[:, None, None], transform, self.transform)
        return which & wrong
