"""The platform's own entities. Pure: they know nothing of hosts, logs, clocks or the network."""

from actors.domain.catalog.key import KEY
from actors.domain.catalog.listing import LISTING
from actors.domain.catalog.name import NAME
from actors.domain.catalog.program import PROGRAM
from actors.domain.catalog.recent import RECENT
from actors.domain.catalog.review import REVIEW
from actors.domain.catalog.uploads import UPLOADS
from actors.domain.developer import ACCOUNT
from actors.domain.friends import FRIENDS
from actors.domain.identity.credential import CREDENTIAL
from actors.domain.identity.link import IDENTITY
from actors.domain.identity.login import LOGIN
from actors.domain.identity.person import PERSON
from actors.domain.merchant import MERCHANT
from actors.domain.notify.box import BOX
from actors.domain.notify.grants import GRANTS
from actors.domain.notify.inbox import INBOX, PAGE
from actors.domain.notify.template import TEMPLATE
from actors.domain.notify.window import WINDOW
from actors.domain.session import SESSION
from actors.domain.visit import VISIT
from actors.domain.ways.code import CODE
from actors.domain.ways.link import LINK
from actors.domain.ways.quota import QUOTA
from actors.domain.ways.rules import RULES
from actors.domain.ways.share import SHARE
from actors.domain.webhook.delivery import DELIVERY
from actors.domain.webhook.endpoint import ENDPOINT
from actors.domain.webhook.roster import ROSTER

ENTITIES = (
    *(
        SESSION,
        MERCHANT,
        ACCOUNT,
        KEY,
        NAME,
        PROGRAM,
        REVIEW,
        UPLOADS,
        LISTING,
        RECENT,
        FRIENDS,
        CODE,
        VISIT,
        LINK,
        SHARE,
        RULES,
        QUOTA,
    ),
    *(PERSON, IDENTITY, LOGIN, CREDENTIAL),
    *(ENDPOINT, ROSTER, DELIVERY),
    *(TEMPLATE, GRANTS, BOX, INBOX, PAGE, WINDOW),
)
