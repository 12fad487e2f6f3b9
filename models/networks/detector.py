"""What tells digits from all else: one number, which a reader adds to every logit."""

import torch
from torch import Tensor, nn

MOST = 8.0  # 3,000 to 1: to be surer than that of a digit adds nothing to its energy


class Detector(nn.Module):
    """The log-odds that a picture is a digit, by what its reader saw: float32[N, features] -> float32[N, 1].

    Added to all logits it changes no probability, since a softmax knows differences alone. But the energy, which is the
    logarithm of the sum of their exponentials (Liu et al., arXiv:2010.03759), rises and falls with it.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.verdict = nn.Linear(hidden, 1)

    def forward(self, seen: Tensor) -> Tensor:
        odds: Tensor = self.verdict(self.hidden(seen).relu())
        return odds.clamp(max=MOST)

    @torch.no_grad()
    def standardise(self, mean: Tensor, spread: Tensor) -> None:
        """Takes the standardisation of features, under which the weights were learnt, into the weights."""
        self.hidden.weight.div_(spread)
        self.hidden.bias.sub_(self.hidden.weight @ mean)
