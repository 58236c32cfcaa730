"""The register of lifts, escalators and their terminals: import from CSV, shards, coordinates.

Pure inside (table, cells, mapping, rows, reconcile, report, coordinates, enrolment), one shell (`importer`) and its SQL.
Knows nothing of MQTT clients, alarms or HTTP.
"""

from hoistway.registry.enrolment import shard_of, topic_prefix
from hoistway.registry.importer import import_bytes, read_file
from hoistway.registry.mapping import ColumnMapping, read_mapping, shipped, shipped_mapping
from hoistway.registry.report import Enrolment, Finding, Report

__all__ = [
    "ColumnMapping",
    "Enrolment",
    "Finding",
    "Report",
    "import_bytes",
    "read_file",
    "read_mapping",
    "shard_of",
    "shipped",
    "shipped_mapping",
    "topic_prefix",
]
