"""Blocks coded on a cluster through Ray: an engine of the codec whose jobs are Ray's tasks.

Data go through the process that asked: nodes need lmzip and Ray, neither files nor credentials.
"""

from lmzip.cluster.cluster import Cluster

__all__ = ["Cluster"]
