"""Foreground mask and dense depth from two photos: the empty scene, and the scene with something in it."""
