"""What all commands share: options, output, confirmation, errors, the AWS session."""
