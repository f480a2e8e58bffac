"""Who a person is: on the platform, and to each program."""
