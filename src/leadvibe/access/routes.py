"""Everything about who exists and who may enter."""

from fastapi import APIRouter

from leadvibe.access import key_routes, sign_in_routes, unit_routes

router = APIRouter()
router.include_router(sign_in_routes.router)
router.include_router(unit_routes.router)
router.include_router(key_routes.router)
