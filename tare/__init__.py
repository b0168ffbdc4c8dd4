"""The tare command."""
