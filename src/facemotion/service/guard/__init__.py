"""What stands between a client and a verdict: keys, attempts, limits, replays and the audit trail."""
