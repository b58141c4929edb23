"""What is well with the place and what is not, as `manage.py doctor` finds it out at that moment.

The table of conditions says what was found by itself; the doctor reads it out, and asks besides what can only be asked on the spot: of
settings, servers, hosts, accounts. A room registers its questions when its app is ready:

    doctor.register(Question("ledger", look=look))

`look` yields a finding for each thing that it looked at, well or not. It may take seconds, call the network, and write a test file.
"""

from conduit.doctor.registry import Finding, Question, register

__all__ = ["Finding", "Question", "register"]
