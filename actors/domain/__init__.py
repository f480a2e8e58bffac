"""The platform's own entities. Pure: they know nothing of hosts, logs, clocks or the network."""

from actors.domain.merchant import MERCHANT
from actors.domain.session import SESSION

ENTITIES = (SESSION, MERCHANT)
