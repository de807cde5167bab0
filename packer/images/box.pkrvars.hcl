# A developer's box: all of the application's machine, and what AWS gives elsewhere.
role           = "box"
root_gigabytes = 8
