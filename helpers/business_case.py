"""The invented product of chapter 30: every number here is an assumption, none is measured.

A service that checks photographs of parts for shops. Put in your own numbers: the chapter's cells
read nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.roi import Guess


@dataclass(frozen=True)
class Plan:
    """A way to sell: all money in dollars.

    `price`, `support` (variable cost beside compute) and `fixed` are for a month, the last one for
    the whole company; `thousands` is the number of 1,000 predictions a customer asks for in a
    month; `churn` the share of customers who leave in a month; `sale` the cost to win a customer.
    """

    price: float
    support: float
    thousands: float
    fixed: float
    churn: float
    sale: float


PLANS: dict[str, Plan] = {
    "pay per use": Plan(9, 2, 200, 20_000, 0.06, 30),
    "subscription": Plan(49, 12, 500, 45_000, 0.03, 250),
    "enterprise": Plan(4_000, 900, 50_000, 150_000, 0.01, 30_000),
}

# The first year of a new model in the product.
GUESSES: dict[str, Guess] = {
    "visitors": Guess(300_000, 500_000, 800_000),  # in a year
    "lift": Guess(-0.001, 0.006, 0.012),  # change of the share who buy
    "profit": Guess(65, 80, 95),  # gross profit of a sale, dollars
    "build": Guess(80_000, 100_000, 220_000),  # once, dollars
    "run_cost": Guess(30_000, 40_000, 70_000),  # a year, dollars: people, data, monitoring
    "answers": Guess(5, 10, 30),  # predictions for each visitor
}

CRITERIA = ("quality", "price", "privacy", "integration", "reach")
# Marks from 0 to 10 in the order of CRITERIA.
RIVALS: dict[str, tuple[int, ...]] = {
    "general chat model": (9, 4, 3, 5, 9),
    "open weights, own hosting": (7, 7, 9, 3, 4),
    "specialist for one trade": (8, 5, 7, 8, 3),
    "cheapest interface": (4, 9, 4, 5, 6),
}

# Items of a roadmap: (value in a month once it is shipped, weeks of work).
ITEMS: dict[str, tuple[int, int]] = {
    "router": (9, 3),
    "new model": (20, 12),
    "cache": (4, 1),
    "audit": (6, 5),
    "app": (7, 8),
}
