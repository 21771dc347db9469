"""`python -m clipbug`, the form that torchrun starts."""

from clipbug.cli.main import main

if __name__ == "__main__":
    main()
