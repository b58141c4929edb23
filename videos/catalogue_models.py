"""What is offered: the models that make videos, what their sizes cost, and what no prompt may hold."""

import re
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.db.models.functions import Now

from conduit import clock
from videos.inputs import Role
from videos.native_formats import NativeFormatsError, read_native_formats


class Resolution(models.TextChoices):
    """The sizes that people may ask for, in pixels."""

    R720X480 = "720x480", "720x480"
    R1280X720 = "1280x720", "1280x720"
    R1920X1080 = "1920x1080", "1920x1080"
    R720X1280 = "720x1280", "720x1280"
    R1080X1920 = "1080x1920", "1080x1920"


class Api(models.TextChoices):
    """The versions of MiniMax's API, each with a client of its own."""

    V1 = "v1"
    V2 = "v2"


class Portrait(models.TextChoices):
    """How an upright video is made of a model that makes only landscape from text."""

    IMAGE = "image", "from an upright first frame (image-01)"
    CROP = "crop", "the centre of a landscape video"


class VideoModel(models.Model):
    """A model that consumers may name, what it means at MiniMax, and what it costs. Edited by administrators."""

    name = models.CharField(max_length=100, unique=True, help_text="The public name.")
    aliases = models.JSONField(default=list, blank=True, help_text='Other public names, such as ["minimax-video"].')
    enabled = models.BooleanField(default=True)
    api = models.CharField(max_length=2, choices=Api, default=Api.V1, help_text="The version of MiniMax's API that makes it.")
    upstream = models.CharField(max_length=100, help_text="The model's name at MiniMax.")
    upstream_with_frame = models.CharField(
        max_length=100,
        blank=True,
        help_text="The model that goes on from a first frame: itself, or its image-to-video sibling. "
        "Empty: none, so that no video can be longer than a clip.",
    )
    takes_last_frame = models.BooleanField(default=False, help_text="Whether a clip of it may end with a given frame.")
    references_most = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Pictures of what is to be seen that a clip may be given, beside frames."
    )
    images_free = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Pictures of a clip, frames included, for which MiniMax asks nothing more."
    )
    image_cost = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[MinValueValidator(Decimal(0))],
        help_text="USD that MiniMax asks for each picture beyond those.",
    )
    takes_prompt_optimizer = models.BooleanField(
        default=False, db_default=False, help_text="Whether MiniMax may put the prompt into words of its own (version 1 alone)."
    )
    watermark = models.BooleanField(
        default=False, db_default=False, help_text="Whether MiniMax marks its videos as made by AI (aigc_watermark; version 1 alone)."
    )
    takes_ratio = models.BooleanField(default=False, help_text="Whether MiniMax is told a ratio; others make landscape from text alone.")
    sends_size = models.BooleanField(
        default=True, help_text="Whether MiniMax takes `duration` and `resolution` for it; the 01 models do not."
    )
    natives = models.JSONField(
        help_text='What it makes, and what each length costs in USD: [{"resolution": "768P", "width": 1366, "height": 768, "fps": 24, '
        '"clips": {"6": "0.28", "10": "0.56"}}, …]; with "ratio": "9:16" where it takes one, '
        'and "needs_frame": true where it takes no text alone.'
    )
    portrait = models.CharField(
        max_length=10,
        choices=Portrait,
        default=Portrait.IMAGE,
        help_text="How portrait is made where the model makes only landscape from text.",
    )
    prompt_limit = models.PositiveIntegerField(default=2000, help_text="Characters.")
    typical_seconds = models.PositiveIntegerField(help_text="How long MiniMax usually takes for a clip, until finished jobs tell.")
    learned = models.JSONField(
        default=dict, editable=False, help_text='What its clips took lately: {"720P 6": [seconds until made, until delivered]}.'
    )
    base_price = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1000))],
        help_text="USD for six seconds at factor 1.",
    )
    least_seconds = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="A shorter video is priced as this long: MiniMax bills a whole clip for it."
    )
    image_price = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1000))],
        help_text="USD for each picture that a video is given beyond the free ones.",
    )

    created_at = models.DateTimeField(default=clock.now, db_default=Now(), editable=False)
    accepted_loss = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        null=True,
        editable=False,
        help_text="The least price, as a multiple of what MiniMax bills, that an administrator accepted. None: no loss was accepted.",
    )

    class Meta:
        verbose_name = "video model"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def names(self) -> list[str]:
        return [self.name, *self.aliases]

    @property
    def upstreams(self) -> set[str]:
        """The models at MiniMax that make its clips."""
        return {self.upstream, self.upstream_with_frame} - {""}

    @property
    def inputs_most(self) -> dict[Role, int]:
        """How many pictures a clip may be given, by their role."""
        frames = {Role.FIRST_FRAME: int(bool(self.upstream_with_frame)), Role.LAST_FRAME: int(self.takes_last_frame)}
        return frames | {Role.REFERENCE: self.references_most}

    def surcharged(self, images: int) -> int:
        """How many of so many pictures of a clip cost more."""
        return max(0, images - self.images_free)

    def took(self, *, seconds: int, resolution: str) -> tuple[float, float] | None:
        """Seconds (until made, until delivered) that such a clip usually takes; None before the first."""
        known = self.learned.get(clip_name(seconds=seconds, resolution=resolution))
        return tuple(known) if known else None

    def clean(self) -> None:
        _check_aliases(self.aliases, self.name)
        _check_natives(self)
        if self.api != Api.V1:
            for name in ("takes_prompt_optimizer", "watermark"):
                if getattr(self, name):
                    raise ValidationError({name: "MiniMax has this for its version 1 alone."})
        taken = {name for other in VideoModel.objects.exclude(pk=self.pk) for name in other.names}
        if clash := taken.intersection(self.names):
            raise ValidationError(f"Another model already has the name {', '.join(sorted(clash))}.")


def clip_name(*, seconds: int, resolution: str) -> str:
    """What the lengths and sizes of a model's clips are learned under."""
    return f"{resolution} {seconds}"


def _check_aliases(aliases: Any, name: str) -> None:
    sound = isinstance(aliases, list) and all(
        isinstance(alias, str) and re.fullmatch(r"[\w.:/-]{1,100}", alias, re.ASCII) for alias in aliases
    )
    if not sound or len({name, *aliases}) != len(aliases) + 1:
        raise ValidationError({"aliases": "A list of other names is needed, each once: letters, digits and . _ - : / only."})


def _check_natives(model: VideoModel) -> None:
    """Refuse what the planning could not read, or could make no video of."""
    try:
        natives = read_native_formats(model.natives)
    except NativeFormatsError as error:
        raise ValidationError({"natives": str(error)}) from None
    for native in natives:
        if bool(native.ratio) != model.takes_ratio:
            wrong = "needs a `ratio`, since the model takes one" if model.takes_ratio else "has a `ratio`, and the model takes none"
            raise ValidationError({"natives": f"{native.resolution} {wrong}."})
    if not model.upstream_with_frame and all(native.needs_frame for native in natives):
        raise ValidationError({"upstream_with_frame": "What needs a first frame (`needs_frame`) needs the model that goes on from one."})


class ResolutionFactor(models.Model):
    """What a size costs, as a multiple of its model's base. A model can make the sizes that have a row."""

    model = models.ForeignKey(VideoModel, on_delete=models.CASCADE, related_name="factors")
    resolution = models.CharField(max_length=10, choices=Resolution)
    factor = models.DecimalField(
        max_digits=6, decimal_places=3, validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))]
    )

    class Meta:
        verbose_name = "resolution factor"
        ordering = ["model", "id"]
        constraints = [UniqueConstraint(fields=["model", "resolution"], name="factor_once_per_model_and_resolution")]

    def __str__(self) -> str:
        return f"{self.resolution} at {self.factor}"


class BlockedTerm(models.Model):
    """A word or phrase that no prompt may hold, whatever its case; found as whole words."""

    term = models.CharField(max_length=200, unique=True)
    note = models.CharField(max_length=200, blank=True, help_text="Why, for other administrators.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "blocked term"
        ordering = ["term"]

    def __str__(self) -> str:
        return self.term


class CatalogueVersion(models.Model):
    """One row, of which PostgreSQL makes another version with each change of models, factors and blocked terms (videos.kept_catalogue)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.UUIDField()

    class Meta:
        default_permissions = ()
        constraints = [CheckConstraint(condition=Q(id=1), name="catalogue_has_one_version")]

    def __str__(self) -> str:
        return str(self.version)
