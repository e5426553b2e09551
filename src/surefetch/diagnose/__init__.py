"""Judging: observations and facts in, causes and what to do out. Pure and table-driven; opens nothing but own data."""
