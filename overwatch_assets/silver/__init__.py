"""Records joined to things: starts with ends, definitions with their history."""
