"""The operator's commands, one module each: `python -m autopilot …`."""
