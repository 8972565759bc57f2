"""What is checked, of whichever library, and how its derivative is measured without asking it for a gradient."""
