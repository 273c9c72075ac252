"""The codecs of each library that brings types of its own; a module is loaded when such a type is met."""
