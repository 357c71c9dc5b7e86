"""Registers all background jobs and schedules when it is imported."""

from leadvibe.core.jobs import queue as jobs
from leadvibe.events.types import tasks as event_types
from leadvibe.ingest import tasks as ingest
from leadvibe.leads.deletion import tasks as deletion
from leadvibe.leads.importing import tasks as importing
from leadvibe.pipeline import ranking
from leadvibe.pipeline import tasks as scoring
from leadvibe.rescoring import tasks as rescoring
from leadvibe.simulation import tasks as simulation
from leadvibe.stream import tasks as stream

MODULES = (deletion, event_types, importing, ingest, jobs, ranking, rescoring, scoring, simulation, stream)
