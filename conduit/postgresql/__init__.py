"""Django's PostgreSQL backend with connections that are known to live, or known not to within a few seconds."""
