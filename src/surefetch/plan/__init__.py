"""Planning: a state machine, events in and orders out. No socket, no clock, no file."""
