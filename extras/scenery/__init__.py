"""Models and photographs the scenes of `examples/`. Needs Blender as a module (`bpy`)."""
