"""What to do about refused records and results that stay away: look at them, make a failed call again, put them back once it is mended."""
