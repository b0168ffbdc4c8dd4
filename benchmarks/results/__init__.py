"""What a campaign leaves: samples, the journal, the run folder, the catalogue of metrics."""
