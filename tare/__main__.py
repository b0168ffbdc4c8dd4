"""``python -m tare``."""

from tare.cli import main

main()
