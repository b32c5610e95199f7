"""Verify a person by who they are and by a secret facial motion that they make before a camera."""
