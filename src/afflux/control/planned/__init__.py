"""What there is to do, as plain data (pure): the wanted against the seen, in a safe order, each action with its risk."""
