"""Looking for `doctor`: bounded probes side by side, whose facts `diagnose` judges."""
