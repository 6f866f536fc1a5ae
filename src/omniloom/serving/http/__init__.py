"""The endpoints of OpenAI's HTTP interface, served by one model."""

from omniloom.serving.http.document import describe as describe
from omniloom.serving.http.errors import add_error_handlers as add_error_handlers
from omniloom.serving.http.routes import http_routes as http_routes
