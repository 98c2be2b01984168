"""What the Router inherits from Go's standard library: JSON, durations, quoting."""
