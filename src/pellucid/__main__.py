"""`python -m pellucid` is the command `pellucid`."""

from pellucid_command import main

if __name__ == "__main__":
    main()
