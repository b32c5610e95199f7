"""Commands of operators: serve, keys, the store and the audit trail."""
