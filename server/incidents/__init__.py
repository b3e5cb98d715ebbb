"""What was promised and what was kept: availability, severities, clocks. Pure throughout."""
