# The application's machine.
role           = "twine"
root_gigabytes = 8
