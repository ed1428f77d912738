"""What to do about refused records: look at them, make a failed call again, put them back into the pipeline once it is mended."""
