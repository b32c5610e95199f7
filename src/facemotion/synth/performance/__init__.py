"""What the face does: motion programs, speech, and how takes of one motion differ."""
