"""Commands about people: verify, enrol, check, users, calibrate, the demo."""
