"""Every row of an installation, read from one database and written into another, typed and proved equal on both.

`order` says which tables go, and in which order; `opening` opens either end; `pages` reads; `writing` writes; `sums` compares; `lines`
are rows in an archive; `moves` marks a database that is filled from another. `files` and `points` say what the rows want of stores.
"""
