"""The user's pictures: found, labelled, split, and packed into one file for training."""
