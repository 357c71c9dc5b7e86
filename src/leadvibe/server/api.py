"""All operations: the routers of all packages, and the raw routes that are served below FastAPI."""

from fastapi import FastAPI

from leadvibe.access.credentials import routes as credentials
from leadvibe.access.members import routes as members
from leadvibe.access.personal_tokens import routes as personal_tokens
from leadvibe.access.sign_in import routes as sign_in
from leadvibe.activity import routes as activity
from leadvibe.analytics import routes as analytics
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.events import routes as events
from leadvibe.events.deletion import routes as event_deletion
from leadvibe.events.failed import routes as failed_events
from leadvibe.events.types import routes as event_types
from leadvibe.health import routes as health
from leadvibe.ingest import routes as ingest
from leadvibe.jobs import routes as jobs
from leadvibe.leads import routes as leads
from leadvibe.leads.deletion import routes as deletion
from leadvibe.leads.importing import routes as lead_imports
from leadvibe.leads.merging import routes as merging
from leadvibe.leads.watching import routes as watching
from leadvibe.orders import routes as orders
from leadvibe.rescoring import routes as rescoring
from leadvibe.rulesets import routes as rulesets
from leadvibe.rulesets.decays import routes as decays
from leadvibe.rulesets.filters import routes as filters
from leadvibe.rulesets.rules import routes as rules
from leadvibe.rulesets.surge import routes as surge
from leadvibe.scores import routes as scores
from leadvibe.scores.log import routes as score_log
from leadvibe.settings import routes as settings
from leadvibe.simulation import routes as simulation
from leadvibe.stream import routes as stream
from leadvibe.units import routes as units
from leadvibe.units.memberships import routes as memberships

RAW_ROUTES: tuple[RawRoute, ...] = (*ingest.RAW_ROUTES, *lead_imports.RAW_ROUTES)


def include_routers(app: FastAPI) -> None:
    app.include_router(health.router)
    app.include_router(sign_in.router)
    app.include_router(units.router)
    app.include_router(members.router)
    app.include_router(memberships.router)
    app.include_router(credentials.router)
    app.include_router(personal_tokens.router)
    app.include_router(scores.router)
    app.include_router(score_log.router)
    app.include_router(rescoring.router)
    app.include_router(simulation.router)
    app.include_router(events.router)
    app.include_router(event_deletion.router)
    app.include_router(failed_events.router)
    app.include_router(activity.router)
    app.include_router(orders.router)
    app.include_router(merging.router)
    app.include_router(leads.router)
    app.include_router(deletion.router)
    app.include_router(watching.router)
    app.include_router(analytics.router)
    app.include_router(rulesets.router)
    app.include_router(rules.router)
    app.include_router(surge.router)
    app.include_router(decays.router)
    app.include_router(filters.router)
    app.include_router(settings.router)
    app.include_router(event_types.router)
    app.include_router(stream.router)
    app.include_router(lead_imports.router)  # after every /leads/{lead_id}/…, because a lead's id may be "import"
    app.include_router(jobs.router)
    for route in RAW_ROUTES:
        app.router.routes.append(route)
