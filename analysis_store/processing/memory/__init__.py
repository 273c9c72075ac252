"""The code of a processor as it is loaded, compared with what is written."""
