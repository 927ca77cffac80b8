"""Every row of an installation, read from one database and written into another, typed and proved equal on both.

`order` says which tables go, and in which order; `opening` opens either end; `pages` reads; `writing` writes; `sums` compares.
"""
