"""What was recorded of an exchange, served once more."""
