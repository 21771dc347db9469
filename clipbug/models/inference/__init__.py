"""The graph that inference computes: folded, fused, without repeated work."""
