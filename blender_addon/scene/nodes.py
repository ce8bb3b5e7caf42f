# SPDX-License-Identifier: GPL-3.0-or-later
"""Short words for shader nodes: each makes a node, links its inputs, and gives its output.

An input is a socket of another node or a plain value. Sockets whose names changed between Blender
4.2 and 5.2 are taken by place or identifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy

Colour = tuple[float, float, float]
Input = bpy.types.NodeSocket | float | tuple


@dataclass(frozen=True)
class Graph:
    """A node tree that grows."""

    tree: bpy.types.NodeTree

    def node(self, kind: str, inputs: dict[str | int, Input] | None = None, **settings):
        """A node of the type ``ShaderNode<kind>``."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            self.set(node.inputs[name], value)
        return node

    def set(self, socket: bpy.types.NodeSocket, value: Input) -> None:
        """Link a socket to an output, or give it a value."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, tuple) and socket.type == "RGBA":
            socket.default_value = (*value[:3], 1.0)
        else:
            socket.default_value = value

    def math(self, operation: str, first: Input, second: Input = 0.0, clamp: bool = False):
        return self.node(
            "Math", {0: first, 1: second}, operation=operation, use_clamp=clamp
        ).outputs[0]

    def product(self, *factors: Input):
        """Of all factors."""
        result = factors[0]
        for factor in factors[1:]:
            result = self.math("MULTIPLY", result, factor)
        return result

    def sum(self, *terms: Input):
        """Of all terms."""
        result = terms[0]
        for term in terms[1:]:
            result = self.math("ADD", result, term)
        return result

    def ramped(self, value: Input, start: float, end: float, low: Input = 0.0, high: Input = 1.0):
        """Smoothly from `low` where value <= start to `high` where value >= end."""
        inputs = {0: value, 1: start, 2: end, 3: low, 4: high}
        return self.node("MapRange", inputs, interpolation_type="SMOOTHSTEP").outputs[0]

    def vector(self, operation: str, first: Input, second: Input = (0.0, 0.0, 0.0)):
        """A vector, or the number that the operation gives."""
        node = self.node("VectorMath", {0: first, 1: second}, operation=operation)
        return node.outputs[1 if operation in ("LENGTH", "DISTANCE", "DOT_PRODUCT") else 0]

    def mix(self, share: Input, first: Input, second: Input, blend: str = "MIX"):
        """A colour: `first` where share is 0, blended with `second` as it nears 1."""
        node = self.node("Mix", data_type="RGBA", blend_type=blend)
        sockets = {socket.identifier: socket for socket in node.inputs}
        self.set(sockets["Factor_Float"], share)
        self.set(sockets["A_Color"], first)
        self.set(sockets["B_Color"], second)
        return next(socket for socket in node.outputs if socket.identifier == "Result_Color")

    def ramp(self, value: Input, stops: list[tuple[float, Colour]]):
        """A colour by position."""
        node = self.node("ValToRGB", {0: value})
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(1.0)
        for element, (position, colour) in zip(elements, stops):
            element.position, element.color = position, (*colour, 1.0)
        return node.outputs[0]

    def noise(self, place: Input, scale: float, detail: float):
        """0 to 1, about a half; `scale` waves a unit of `place`, and `detail` finer octaves."""
        return self._noise(place, scale, detail).outputs[0]

    def noise_colour(self, place: Input, scale: float, detail: float):
        """The same three times over, each another, as a colour."""
        return self._noise(place, scale, detail).outputs[1]

    def _noise(self, place: Input, scale: float, detail: float):
        return self.node("TexNoise", {"Vector": place, "Scale": scale, "Detail": detail})

    def cells(self, place: Input, scale: float):
        """The distance to the nearest of scattered points, about 0 to 1."""
        return self.node("TexVoronoi", {"Vector": place, "Scale": scale}).outputs["Distance"]

    def attribute(self, name: str, of: str = "GEOMETRY"):
        """The attribute node of a mesh attribute, or with of="OBJECT" of an object's property."""
        return self.node("Attribute", attribute_name=name, attribute_type=of)

    def number(self, name: str):
        """An object's property that is a number."""
        return self.attribute(name, "OBJECT").outputs[2]

    def bump(self, height: Input, metres: float, strength: Input = 1.0):
        """A normal: the surface raised by height times so many metres."""
        inputs = {"Height": height, "Distance": metres, "Strength": strength}
        return self.node("Bump", inputs).outputs["Normal"]

    def surface(self, inputs: dict[str, Input]):
        """The node of a Principled surface."""
        return self.node("BsdfPrincipled", inputs)
