"""What the local account shows, on the terminal and in a browser."""
