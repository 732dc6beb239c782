"""`python -m bridge` is `bitmart-bridge`."""

from bridge.cli import main

main()
