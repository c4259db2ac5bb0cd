"""Training of a generator from voxels to images against a discriminator and a comparator (Shen, Dwivedi et al. 2019)."""
