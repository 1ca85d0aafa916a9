"""The commands of the program, one file each: its options, and the call of the module that does the work.

A command imports that module when it is called, so that `mfa-guard --help` starts quickly.
"""
