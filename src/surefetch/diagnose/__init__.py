"""Judging: observations and facts in, causes and what to do out. Pure; opens nothing but its own data."""
