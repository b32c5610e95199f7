"""What stands between a client and a verdict: keys, attempts, limits and the audit trail."""
