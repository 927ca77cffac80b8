"""The ground every room stands on; imports nothing of ours outside this folder."""
