"""Training samples, composed of packed pictures on the training device."""
