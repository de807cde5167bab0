"""The release file: one small file that names everything a release is made of."""
