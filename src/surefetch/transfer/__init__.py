"""Transfer: a loop with no opinions around one libcurl multi handle, and what it is told before it starts."""
