"""What a program tells its persons: templates, the grants that a send needs, the box, the inbox, and windows."""
