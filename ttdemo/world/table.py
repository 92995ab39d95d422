"""Sizes of the table, which stands with the middle of its net at the origin of the world axes."""

#: half width and half length of the table, height of its top, height of the net above it; m (ITTF)
TABLE_X, TABLE_Z, TABLE_Y, NET = 0.7625, 1.37, 0.76, 0.1525
