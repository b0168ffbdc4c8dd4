"""Draw the pictures of a report: matplotlib figures, of data that a section gives."""
