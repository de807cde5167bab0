# The only way in.
role           = "bastion"
root_gigabytes = 4
