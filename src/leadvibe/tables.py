"""Every table there is: what migrations compare the database with."""

from leadvibe.access import models as access
from leadvibe.core import job_models, stream_models
from leadvibe.core.models import Base
from leadvibe.counts import models as counts
from leadvibe.events import models as events
from leadvibe.leads import models as leads
from leadvibe.leads.importing import models as importing
from leadvibe.leads.watching import models as watching
from leadvibe.orders import models as orders
from leadvibe.rulesets import models as rulesets
from leadvibe.scoring import models as scoring

MODULES = (
    access,
    job_models,
    stream_models,
    counts,
    events,
    importing,
    leads,
    orders,
    rulesets,
    scoring,
    watching,
)
METADATA = Base.metadata
