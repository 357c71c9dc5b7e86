"""Every operation there is: the routers of all domains, and the routes that are served below FastAPI."""

from fastapi import FastAPI

from leadvibe.access import routes as access
from leadvibe.activity import routes as activity
from leadvibe.analytics import routes as analytics
from leadvibe.core.raw import RawRoute
from leadvibe.events import operations as ingest
from leadvibe.events import routes as events
from leadvibe.events.deletion import routes as event_deletion
from leadvibe.events.failed import routes as failed_events
from leadvibe.events.types import routes as event_types
from leadvibe.jobs import routes as jobs
from leadvibe.leads import routes as leads
from leadvibe.leads.deletion import routes as deletion
from leadvibe.leads.importing import operations as lead_previews
from leadvibe.leads.importing import routes as lead_imports
from leadvibe.leads.merging import routes as merging
from leadvibe.leads.watching import routes as watching
from leadvibe.orders import routes as orders
from leadvibe.root import routes as root
from leadvibe.rulesets import routes as rulesets
from leadvibe.scoring import admin_routes as scoring_admin
from leadvibe.scoring import routes as scoring
from leadvibe.scoring.simulation import routes as simulation
from leadvibe.settings import routes as settings
from leadvibe.stream import routes as stream

RAW_ROUTES: tuple[RawRoute, ...] = (*ingest.RAW_ROUTES, *lead_previews.RAW_ROUTES)


def include_routers(app: FastAPI) -> None:
    app.include_router(root.router)
    app.include_router(access.router)
    app.include_router(scoring.router)
    app.include_router(scoring_admin.router)
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
    app.include_router(settings.router)
    app.include_router(event_types.router)
    app.include_router(stream.router)
    app.include_router(lead_imports.router)  # after every /leads/{lead_id}/…: a lead may be called "import"
    app.include_router(jobs.router)
    for route in RAW_ROUTES:
        app.router.routes.append(route)
