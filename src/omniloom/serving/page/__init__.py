"""The page, and what it asks the server for."""

from omniloom.serving.page.routes import STATIC as STATIC
from omniloom.serving.page.routes import page_routes as page_routes
