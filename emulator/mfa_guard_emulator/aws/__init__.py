"""AWS's services for the local account: moto, and what moto lacks."""
