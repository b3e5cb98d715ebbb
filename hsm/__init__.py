"""Everything that touches key material. `vault` is the seam; `sealed_vault` its first keeper."""
