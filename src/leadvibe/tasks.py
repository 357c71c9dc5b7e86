"""Every background job and schedule there is: importing this registers them."""

from leadvibe.core import jobs
from leadvibe.events.types import tasks as event_types
from leadvibe.leads.deletion import tasks as deletion
from leadvibe.leads.importing import tasks as importing
from leadvibe.scoring import ranking, rescoring
from leadvibe.scoring import tasks as scoring
from leadvibe.stream import tasks as stream

MODULES = (deletion, event_types, importing, jobs, ranking, rescoring, scoring, stream)
