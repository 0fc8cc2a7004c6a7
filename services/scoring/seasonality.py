"""In which quarters of the year customers come and buy."""
