"""The toolbox: code that several rooms share."""
