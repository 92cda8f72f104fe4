"""What the servers say: the world as observed, whether changes flow, how far copies are."""
