"""`rapport`, the command line: a client of the services over gRPC that never touches the database."""
