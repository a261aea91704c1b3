#!/usr/bin/env python
"""The command line of Prefloop: `python manage.py COMMAND --help`."""

import gc
import os
import sys


def main() -> None:
    # The imports of a training make millions of objects that stay: looking among them for garbage at every 700th
    # took a second of each start.
    gc.set_threshold(100_000, 20, 20)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.settings")
    from django.core.management import execute_from_command_line

    from annotation.errors import InputError

    try:
        execute_from_command_line(sys.argv)
    except InputError as error:  # settings that cannot be used; what commands raise, they report themselves
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
