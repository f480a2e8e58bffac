"""What people do once they open a program: one journey a module, each a generator of steps."""
