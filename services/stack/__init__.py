"""The development stack: an embedded PostgreSQL, the four services, the gateway and the sample, on one machine."""
