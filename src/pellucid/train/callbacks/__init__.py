"""What may be hung on the loop to change a training, to keep it, or to end it."""
