"""For those who write functions: measuring one, and a pipeline that takes up what is saved."""
