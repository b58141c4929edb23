"""Conduit's command line: `manage.py` of a checkout, `conduit` where it was installed; `help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conduit.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError
    from redis.exceptions import RedisError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"conduit: {error}")
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
        sys.exit(f"conduit: the database does not answer ({reason}). Set DATABASE_URL, or start what it names.")
    except RedisError as error:
        sys.exit(f"conduit: Redis does not answer ({error}). Set REDIS_URL, or start what it names.")


if __name__ == "__main__":
    main()
