"""The engine, driven step by step in the test's own process."""

from uuid import UUID

from tasks.models import Task
from videos import engine
from videos.accounts import dealing

# More steps than any task needs whose MiniMax answers at all.
STEPS_MAX = 120


class Driver:
    """Does what the workers do, in the order that the rows ask for. Pauses are set to zero by the fixture."""

    def step(self, task_id: str) -> Task:
        """One step, in whatever lane it is due; turns are handed out before."""
        dealing.deal()
        engine.advance(UUID(task_id), lane=Task.objects.get(pk=task_id).lane)
        return Task.objects.get(pk=task_id)

    def until(self, task_id: str, clip_state: str) -> Task:
        """Steps until the clip stands at that state."""
        for _ in range(STEPS_MAX):
            task = self.step(task_id)
            if task.video.clips.get().state == clip_state:
                return task
        raise AssertionError(f"{task} never came to {clip_state}: its clip is {task.video.clips.get()}")

    def finish(self, task_id: str) -> Task:
        """Steps until the task ends."""
        for _ in range(STEPS_MAX):
            task = self.step(task_id)
            if not task.is_active:
                return task
        raise AssertionError(f"{task} never ends: {task.stage} {task.last_error_code}, {task.video.clips.get()}")
