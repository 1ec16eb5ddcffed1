"""Labels by people: a page on loopback, a store that lasts, agreement."""

from tfgenai.data.label.agreement import Agreement, agreement, cohens_kappa
from tfgenai.data.label.items import Items
from tfgenai.data.label.page import LabelPage, serve
from tfgenai.data.label.store import LabelStore

__all__ = [
    "Agreement",
    "Items",
    "LabelPage",
    "LabelStore",
    "agreement",
    "cohens_kappa",
    "serve",
]
