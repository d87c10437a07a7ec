"""Case studies: what editing attention does to one question at a time, on data that each file makes itself."""
