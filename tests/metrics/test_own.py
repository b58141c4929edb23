"""What a process says of itself."""

import os
import resource

from conduit.metrics import own


def test_a_process_that_can_open_nothing_more_says_that_all_it_may_have_open_are():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        counted = own._open_files(free)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert counted == free
    assert 0 < (own._open_files(limits[0]) or 0) < limits[0]
