"""Whether database, stored files, vectors and index agree: `looks` find where they do not, `mends` set it right."""
