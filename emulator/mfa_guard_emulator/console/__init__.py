"""What the local account shows on the terminal and in a browser, and how commands reach a running account."""
