"""What a training leaves to look at: rows, statistics, histograms, and where two of them part."""
