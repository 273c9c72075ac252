"""Codecs of libraries with types of their own; a module is loaded when such a type occurs."""
