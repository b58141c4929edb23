"""Django's own pages, of every room's rows: Django imports this module when the console is ready."""

import conduit.console.keys.admin
import conduit.console.minimax.admin
import conduit.console.tasks.admin
import conduit.console.videos.admin
import conduit.console.videos.models_admin  # noqa: F401 - registering is all that they are imported for
