"""What a depth value means, in words; `depthmask.depth` has the formulas."""

CONVENTION = (
    "depth = 1 / (1 + 2 max(r, 0)), r = (q - q2) / (q98 - q2); q is inverse depth, q2 and q98 its "
    "2nd and 98th percentile over the empty scene: 1 is farthest, the scene fills about 0.33 to 1, "
    "0 is infinitely near"
)
