"""A generative racing world in which the truth is known.

Real results never say how strong a horse was or what its chances were. Here both are drawn first and the results from
them, so that a model, a metric, a drift alarm or an experiment can be tried against the truth. `simulate` yields blocks
of the canonical runner table with the truth beside them. All of it is pure: a world is a function of its seed.
"""

from oracle.data.simulate.frames import Block
from oracle.data.simulate.policy import DEFAULT, SHOCKABLE, Shock, WorldPolicy
from oracle.data.simulate.world import simulate

__all__ = ["DEFAULT", "SHOCKABLE", "Block", "Shock", "WorldPolicy", "simulate"]
