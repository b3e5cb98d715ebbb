"""Everything that touches key material. `vault` is the seam; `filevault` its first keeper."""
