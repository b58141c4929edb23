from conduit.stack.command import StackCommand
from conduit.stack.stack import Stack


class Command(StackCommand):
    help = "Run everything on this machine: Valkey, the MiniMax sandbox when there is no key, and the Procfile's processes."

    def during(self, stack: Stack) -> None:
        stack.wait_until_well()
        self.say(f"Conduit serves at {stack.url}  (console: {stack.url}/admin/, logs: {stack.home / 'logs'}). Ctrl-C stops it.")
        stack.serve()
