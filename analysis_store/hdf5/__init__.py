"""HDF5 itself: objects made quickly, arrays of every dtype put into it, and files of anybody's opened safely."""
