"""The embedded log: SQLite in a data folder, owned by one process, durable across kill -9 and a power cut."""
