"""A served model in place of a loaded one: its client, and what goes wrong on the way, in words with a remedy."""

from omniloom.evaluation.endpoints.client import MAX_RETRIES as MAX_RETRIES
from omniloom.evaluation.endpoints.client import Client as Client
