"""`make bench`: what Autopilot costs in calls, seconds and bytes, measured side by side in one run."""
