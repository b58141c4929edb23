"""The call that makes images, which is one of V1's: it answers when they are made."""

import base64

from videos.minimax.sandbox.catalogue import IMAGE_PRICE
from videos.minimax.sandbox.creation import PROMPT_LONGEST, check_images, read_body
from videos.minimax.sandbox.faults import Misspelt, parse_prompt
from videos.minimax.sandbox.messages import Answer, Refused, Request, as_json, base_resp, refused
from videos.minimax.sandbox.world import Entry, World, has, seconds, spoiled


class ImageCalls:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, request: Request, entry: Entry) -> Answer:
        world = self._world
        try:
            account = world.check_key(request)
            fields = read_body(request.body)
            prompt = fields.get("prompt")
            entry["prompt"] = prompt[: PROMPT_LONGEST["image"]] if isinstance(prompt, str) else None
            wanted = check_images(fields)
            directives = parse_prompt(wanted.prompt)
        except Refused as refusal:
            return refused(refusal.code, refusal.message)
        except Misspelt as error:
            return refused(2013, str(error))
        struck = world.strike("image", wanted.prompt, directives, (wanted.prompt,), entry)
        unable = spoiled(struck, refused)
        if unable:
            return unable
        if has(struck, "withheld"):
            return _made(f"withheld-{request.trace_id}", {"image_urls": []}, failed=wanted.count)
        try:
            with world.room(account, IMAGE_PRICE * wanted.count):
                order = world.gallery.make(wanted, account=account.name)
        except Refused as refusal:
            return refused(refusal.code)
        world.faults.forget("image", wanted.prompt)
        entry["image_id"] = str(order.order_id)
        images = [order.image(number) for number in range(order.count)]
        if wanted.as_base64:
            data = {"image_base64": [base64.b64encode(image.jpeg()).decode() for image in images]}
        else:
            data = {"image_urls": [world.links.to(image.path) for image in images]}
        answer = _made(str(order.order_id), data, made=order.count)
        answer.delay, answer.cut = seconds(struck, "slow"), has(struck, "lost")
        return answer


def _made(order_id: str, data: dict[str, list[str]], *, made: int = 0, failed: int = 0) -> Answer:
    counts = {"success_count": str(made), "failed_count": str(failed)}
    return as_json({"id": order_id, "data": data, "metadata": counts, "base_resp": base_resp(0)}, code=0)
