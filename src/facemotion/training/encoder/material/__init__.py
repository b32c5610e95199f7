"""What an encoder is trained on: clips by source, batches of them, and what is done to the clips of a batch."""
