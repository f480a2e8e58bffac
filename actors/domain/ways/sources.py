"""Where an opening may come from: every place of a platform that leads into a program, each by a name of its own.

The first 27 are those by which WeChat's analytics count openings (its access distribution, 1 to 27, in that order); the
others came later. Each has the scene number that such platforms tell a program of it, and that a session is told.
"""

from typing import Literal, TypeAlias

SCENES = {
    "recent": 1089,
    "search": 1005,
    "share": 1007,
    "scan": 1011,
    "account": 1020,
    "pinned": 1022,
    "desktop": 1023,
    "profile": 1024,
    "nearby": 1026,
    "other": 1000,
    "notification": 1014,
    "service": 1073,
    "menu": 1035,
    "app": 1036,
    "payment": 1034,
    "picture": 1012,
    "album": 1013,
    "article": 1058,
    "wallet": 1019,
    "cards": 1028,
    "coupon": 1029,
    "program": 1037,
    "return": 1038,
    "stores": 1052,
    "shortcut": 1054,
    "service_link": 1081,
    "account_message": 1074,
    "favourite": 1103,
    "live": 1177,
    "link": 1194,
}

Source: TypeAlias = Literal[
    "recent",
    "search",
    "share",
    "scan",
    "account",
    "pinned",
    "desktop",
    "profile",
    "nearby",
    "other",
    "notification",
    "service",
    "menu",
    "app",
    "payment",
    "picture",
    "album",
    "article",
    "wallet",
    "cards",
    "coupon",
    "program",
    "return",
    "stores",
    "shortcut",
    "service_link",
    "account_message",
    "favourite",
    "live",
    "link",
]
"""The names of all of them."""
