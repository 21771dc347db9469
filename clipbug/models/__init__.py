"""ClipBERT: backbone, grid encoder, fusion with text, heads."""
