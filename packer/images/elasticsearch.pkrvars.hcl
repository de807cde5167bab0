# A search node. Its data lies on a volume of its own.
role           = "elasticsearch"
root_gigabytes = 8
