"""Leads ingest, and ingest alone, through links that a test holds in its hand; the program itself is the one that ships.

Python reads this file at start because its folder is on PYTHONPATH. `CHAOS_POSTGRES_PORT` and `CHAOS_BROKER_PORT` take the
place of the ports in ingest's addresses. `CHAOS_MUTANT` names the file of a broken build to load on top.
"""

from __future__ import annotations

import os
import sys

if "ingest" in sys.orig_argv:
    import re
    import runpy

    for address, port in (("HOISTWAY_DATABASE_URL", "CHAOS_POSTGRES_PORT"), ("HOISTWAY_MQTT_URL", "CHAOS_BROKER_PORT")):
        os.environ[address] = re.sub(r"(?<=127\.0\.0\.1:)\d+", os.environ[port], os.environ[address])
    if "CHAOS_MUTANT" in os.environ:
        runpy.run_path(os.environ["CHAOS_MUTANT"])
