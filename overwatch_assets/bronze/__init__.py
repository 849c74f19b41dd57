"""What the sources said: every record, once, as it came."""
