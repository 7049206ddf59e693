"""Images: read them, find them, name them. Never imports libvirt, never prints.

source, sectors       where the bytes come from          descriptors, udf, diskimage   what the bytes say
remote                sources on web and FTP servers     probe                         a source -> the Image printed
scan                  the walk, and what it remembers    naming                        which system it is, and why
"""
