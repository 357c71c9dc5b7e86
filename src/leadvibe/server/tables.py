"""All tables: migrations compare the database with them."""

from leadvibe.access import models as access
from leadvibe.core.database.models import Base
from leadvibe.core.jobs import models as job_models
from leadvibe.core.stream import models as stream_models
from leadvibe.counts import models as counts
from leadvibe.events import models as events
from leadvibe.identity import models as identity
from leadvibe.ingest import models as ingest
from leadvibe.leads import models as leads
from leadvibe.leads.importing import models as importing
from leadvibe.leads.watching import models as watching
from leadvibe.orders import models as orders
from leadvibe.rulesets import models as rulesets
from leadvibe.scores import models as scores
from leadvibe.simulation import models as simulation
from leadvibe.units import models as units

MODULES = (
    access,
    job_models,
    stream_models,
    counts,
    events,
    identity,
    importing,
    ingest,
    leads,
    orders,
    rulesets,
    scores,
    simulation,
    units,
    watching,
)
METADATA = Base.metadata
