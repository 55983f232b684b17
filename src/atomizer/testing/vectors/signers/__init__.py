"""Per venue: from the inputs of a signature vector to everything its file states."""
