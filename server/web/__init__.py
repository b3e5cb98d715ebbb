"""The doors: HTTP for clients, operators' monitoring and administration, and their guard."""
