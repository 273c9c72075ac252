"""The toolbox: what several rooms need, written once."""
