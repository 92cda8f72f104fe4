"""What a person asks for by name, one file a verb, beside plan and apply."""
