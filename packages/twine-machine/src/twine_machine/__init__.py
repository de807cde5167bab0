"""What happens between the start of a machine and the start of its application. Standard library only."""
