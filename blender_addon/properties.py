# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks and lists, kept in the scene, and so in the .blend.

Nothing of a running capture is kept here: a file that is saved meanwhile must not believe, when it
is opened again, that something still runs.
"""

from __future__ import annotations

import bpy

from .scene import timing
from .scene.apply import START_PROPERTY
from .scene.refine import gain_of, set_gain, shift
from .scene.regions import REGIONS

DEVICES = (
    ("auto", "Automatic", "The fastest that the runner's Python offers"),
    ("cpu", "Processor", "Works everywhere"),
    ("cuda", "NVIDIA (CUDA)", "Needs a Python with onnxruntime-gpu; see the add-on's preferences"),
    ("rocm", "AMD (ROCm)", "Needs a Python with onnxruntime-rocm; see the add-on's preferences"),
    (
        "directml",
        "Windows GPU (DirectML)",
        "Needs a Python with onnxruntime-directml; see the add-on's preferences",
    ),
    ("coreml", "Apple (Core ML)", "The neural engine of a Mac"),
)
QUALITIES = (
    ("take", "Take", "Solve the whole clip at once: steady and without lag"),
    ("live", "Live", "Look only back, frame by frame: quicker, less steady"),
)
ROTATIONS = (
    ("0", "Upright", "The footage is upright"),
    ("90", "90° Right", "Turn the footage by a quarter clockwise"),
    ("180", "Upside Down", "Turn the footage by half a turn"),
    ("270", "90° Left", "Turn the footage by a quarter counter-clockwise"),
)
TARGETS = (
    ("NEW", "New Head", "Make a head of the person who was captured", "USER", 0),
    (
        "HEAD",
        "Selected Head",
        "Give the motion to the selected Mien head; it keeps its own face",
        "RESTRICT_SELECT_OFF",
        1,
    ),
    (
        "CHARACTER",
        "Own Character",
        "Give the motion to selected meshes whose shape keys have ARKit names, however spelled",
        "ARMATURE_DATA",
        2,
    ),
)
KEEP_ONLY = ("NONE", "Only the Take", "Keep the take in the list, and apply it later", "FILE", 3)

GAIN_DESCRIPTION = (
    "Multiplies what was captured of this region. A modifier on the curves: the keys stay as they "
    "are until Bake"
)
OFFSET_DESCRIPTION = (
    "Added to what was captured of this region. A modifier on the curves: the keys stay as they "
    "are until Bake"
)


class MienFace(bpy.types.PropertyGroup):
    """A face that was found in the footage's first frame."""

    place: bpy.props.FloatVectorProperty(size=2, description="Its middle, pixels of the footage")


class MienTake(bpy.types.PropertyGroup):
    """A take that this file knows of. What it holds lies in its own file."""

    path: bpy.props.StringProperty(name="File", subtype="FILE_PATH")
    frames: bpy.props.IntProperty(name="Frames")
    found: bpy.props.IntProperty(name="Frames With a Face")
    rate: bpy.props.FloatProperty(name="Frame Rate")
    confidence: bpy.props.StringProperty(
        name="Confidence", description="Along the take, from 0 (no face) to 9, one digit a part"
    )
    warnings: bpy.props.StringProperty(name="Warnings", description="One a line")
    smoothing: bpy.props.FloatProperty(
        name="Smoothing",
        description=(
            "How strongly the next solve smooths. 1 is what the footage's own noise asks for, "
            "0 leaves every frame as it was seen"
        ),
        default=1.0,
        min=0.0,
        max=10.0,
        soft_max=4.0,
    )
    has_neutral: bpy.props.BoolProperty(
        name="Neutral Frame",
        description="You say in which frame the face is at rest; else it is found from the clip",
    )
    neutral: bpy.props.IntProperty(
        name="Frame", description="Frame of the footage in which the face is at rest", min=1
    )


def _look_anew(self, context):
    """Other footage, or other turned: what was seen of it counts no more."""
    # The operators need this module; only this one word goes the other way.
    from .operators.look import look_soon

    self.faces.clear()
    self.face = 0
    self.footage_frames = 0
    look_soon(self)


def _look_at_range(self, context):
    """Faces are picked in the first frame that is captured."""
    if self.use_range:
        _look_anew(self, context)


class MienScene(bpy.types.PropertyGroup):
    """The panel's choices, from top to bottom."""

    footage: bpy.props.StringProperty(
        name="Footage",
        description="A video, a picture, or a folder of numbered pictures",
        subtype="FILE_PATH",
        update=_look_anew,
    )
    rotation: bpy.props.EnumProperty(
        name="Rotation",
        description="How to turn the footage so that the face is upright",
        items=ROTATIONS,
        update=_look_anew,
    )
    picture_rate: bpy.props.FloatProperty(
        name="Frame Rate",
        description="Frames a second of a folder of pictures; a video brings its own",
        default=30.0,
        min=0.01,
        soft_min=1.0,
        soft_max=240.0,
    )
    use_range: bpy.props.BoolProperty(
        name="Range",
        description="Capture only a part of the footage",
        update=_look_anew,
    )
    first_frame: bpy.props.IntProperty(
        name="First",
        description="First frame of the footage to capture",
        default=1,
        min=1,
        update=_look_at_range,
    )
    last_frame: bpy.props.IntProperty(
        name="Last", description="Last frame of the footage to capture", default=100, min=1
    )
    faces: bpy.props.CollectionProperty(type=MienFace)
    face: bpy.props.IntProperty(
        name="Face",
        description="Which of the faces to follow: the number in the picture",
        min=0,
        options={"HIDDEN"},
    )
    footage_frames: bpy.props.IntProperty(name="Frames of the Footage")
    footage_size: bpy.props.IntVectorProperty(name="Size of the Footage", size=2)
    footage_rate: bpy.props.FloatProperty(name="Frame Rate of the Footage")

    quality: bpy.props.EnumProperty(name="Quality", items=QUALITIES)
    device: bpy.props.EnumProperty(
        name="Device", description="What the network runs on", items=DEVICES
    )
    has_lens: bpy.props.BoolProperty(
        name="Lens",
        description="You know the lens the footage was filmed with; else it is found from the clip",
    )
    lens: bpy.props.FloatProperty(
        name="Focal Length",
        description="As of a 35 mm camera",
        default=50.0,
        min=8.0,
        max=2000.0,
        subtype="DISTANCE_CAMERA",
        unit="CAMERA",
    )
    when_done: bpy.props.EnumProperty(
        name="When Done",
        description="What becomes of the take when the capture is over",
        items=(*TARGETS, KEEP_ONLY),
    )

    takes: bpy.props.CollectionProperty(type=MienTake)
    active_take: bpy.props.IntProperty(name="Take")

    target: bpy.props.EnumProperty(
        name="Apply To", description="Who performs the take", items=TARGETS
    )
    head_bone: bpy.props.StringProperty(
        name="Head Bone",
        description=(
            "The bone of the character's armature that turns its head. Empty: the bone that is "
            "called head, if there is one"
        ),
    )
    start_frame: bpy.props.IntProperty(
        name="Start Frame", description="Frame of the scene on which the take begins", default=1
    )
    set_frame_rate: bpy.props.BoolProperty(
        name="Set Scene Frame Rate",
        description=(
            "Give the scene the footage's frame rate. Else the take is sampled at the scene's own"
        ),
        default=True,
    )
    set_frame_range: bpy.props.BoolProperty(
        name="Set Scene Range",
        description="Let the scene play from the take's first frame to its last",
        default=True,
    )
    wanted_shapes: bpy.props.StringProperty(
        name="Find Shapes",
        description="Show only the shapes whose names hold these words, such as: smile left",
        options={"TEXTEDIT_UPDATE"},
    )

    @property
    def take(self) -> MienTake | None:
        """The take that is chosen in the list."""
        inside = 0 <= self.active_take < len(self.takes)
        return self.takes[self.active_take] if inside else None


def _gain(region: str, place: int, **words):
    """A number of one region's (gain, offset), read from the curves and written to them."""

    def read(self) -> float:
        return gain_of(self.id_data, region)[place]

    def write(self, value: float) -> None:
        numbers = list(gain_of(self.id_data, region))
        numbers[place] = value
        set_gain(self.id_data, region, *numbers)

    return bpy.props.FloatProperty(get=read, set=write, options=set(), **words)


def gain_property(region: str) -> str:
    """The name of a region's gain among a head's properties."""
    return "gain_" + region.lower().replace(" ", "_")


def offset_property(region: str) -> str:
    """The name of a region's offset among a head's properties."""
    return "offset_" + region.lower().replace(" ", "_")


class MienHead(bpy.types.PropertyGroup):
    """How a performance is refined: when it begins, and a gain and an offset for every region."""


def _start_frame(self) -> int:
    return self.id_data.get(START_PROPERTY, timing.FIRST_FRAME)


def _set_start_frame(self, value: int) -> None:
    shift(self.id_data, value - _start_frame(self))


def _refinements() -> dict:
    properties = {
        "start_frame": bpy.props.IntProperty(
            name="Begins At",
            description="Frame of the scene on which the performance begins; moves all its keys",
            get=_start_frame,
            set=_set_start_frame,
            options=set(),
        )
    }
    for region, _ in REGIONS:
        properties[gain_property(region)] = _gain(
            region,
            0,
            name=f"{region} Gain",
            description=GAIN_DESCRIPTION,
            min=0.0,
            max=5.0,
            soft_max=2.0,
            default=1.0,
        )
        properties[offset_property(region)] = _gain(
            region,
            1,
            name=f"{region} Offset",
            description=OFFSET_DESCRIPTION,
            min=-1.0,
            max=1.0,
            soft_min=-0.5,
            soft_max=0.5,
            default=0.0,
        )
    return properties


MienHead.__annotations__ = _refinements()


def choices(context: bpy.types.Context) -> MienScene:
    """The panel's choices in the context's scene."""
    return context.scene.mien


_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (MienFace, MienTake, MienScene, MienHead)
)


def register():
    _register_classes()
    bpy.types.Scene.mien = bpy.props.PointerProperty(type=MienScene)
    bpy.types.Object.mien = bpy.props.PointerProperty(type=MienHead)


def unregister():
    del bpy.types.Object.mien
    del bpy.types.Scene.mien
    _unregister_classes()
