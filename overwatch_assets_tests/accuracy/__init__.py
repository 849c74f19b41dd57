"""How far costs are from the truth: the tables', and those of simpler rules."""
