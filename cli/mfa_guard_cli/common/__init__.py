"""What every sub-command shares: options, output, confirmation, errors."""
