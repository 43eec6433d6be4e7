"""The routes of the API, one file for each kind."""

from millstream.web.routes.engine import router as engine_routes
from millstream.web.routes.health import router as health_routes
from millstream.web.routes.jobs import router as job_routes
from millstream.web.routes.pages import router as page_routes
from millstream.web.routes.requests import router as request_routes
from millstream.web.routes.tracking import router as tracking_routes

__all__ = ["engine_routes", "health_routes", "job_routes", "page_routes", "request_routes", "tracking_routes"]
