"""Labels: by people on a page, by rules, classifiers and clusters; and their audit."""

from tfgenai.data.label.agreement import Agreement, agreement, cohens_kappa
from tfgenai.data.label.audit import LabelAudit, audit
from tfgenai.data.label.classifier import label_by_classifier, least_sure, predict
from tfgenai.data.label.clustering import Clusters, cluster, label_clusters
from tfgenai.data.label.items import Items
from tfgenai.data.label.page import LabelPage, serve
from tfgenai.data.label.rule import label_by_rule
from tfgenai.data.label.store import LabelStore

__all__ = [
    "Agreement",
    "Clusters",
    "Items",
    "LabelAudit",
    "LabelPage",
    "LabelStore",
    "agreement",
    "audit",
    "cluster",
    "cohens_kappa",
    "label_by_classifier",
    "label_by_rule",
    "label_clusters",
    "least_sure",
    "predict",
    "serve",
]
